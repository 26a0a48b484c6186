"""All problem codes of the journey language: severity, sentence, and what to do.

A code is never renamed: it is an anchor in the help pages and other programs compare it.
"""

from __future__ import annotations

from typing import NamedTuple

from panel.i18n import N_


class Kind(NamedTuple):
    severity: str
    sentence: str
    advice: str


KINDS: dict[str, Kind] = {}


def _error(code: str, sentence: str, advice: str) -> None:
    KINDS[code] = Kind("error", sentence, advice)


def _warning(code: str, sentence: str, advice: str) -> None:
    KINDS[code] = Kind("warning", sentence, advice)


# --- the file as text ------------------------------------------------------------------------------------------------
_error("empty_file", N_("The file is empty."), N_("Begin with “language: 1” and “journeys:”."))
_error(
    "too_big", N_("The text is larger than 2 MB."), N_("Move long texts to templates, and remove journeys that ended.")
)
_error("too_many_values", N_("The text holds more than %(limit)s values."), N_("Remove journeys that ended."))
_error(
    "too_deep",
    N_("More than %(limit)s levels stand inside each other here."),
    N_("Use fewer branches inside branches; start another journey instead."),
)
_error("not_utf8", N_("The file is not UTF-8 text."), N_("Save it again as UTF-8 in your editor."))
_error(
    "odd_character",
    N_("A character that cannot be printed (%(character)s) stands here."),
    N_("Delete it; it usually comes from copying out of another program."),
)
_error("odd_space", N_("A special space stands before “%(word)s”."), N_("Delete it and indent with ordinary spaces."))
_error("tab", N_("A TAB was used; indent with spaces."), N_("Replace each TAB at the start of a line by two spaces."))
_error(
    "needs_quotes",
    N_("Text that starts with %(mark)s needs quotes."),
    N_('Put the whole text between double quotes, for example "[[first name]], hello".'),
)
_error(
    "colon_in_text",
    N_("Text that holds a colon followed by a space needs quotes."),
    N_("Put the whole text between double quotes."),
)
_error("colon_missing", N_("A colon is missing on this line."), N_("Write “key: value”, with a space after the colon."))
_error(
    "indentation",
    N_("This line is not indented like the lines it belongs to."),
    N_("Lines of one block begin at the same column; steps begin with “- ”."),
)
_error(
    "unclosed_quote",
    N_("A quotation mark is not closed."),
    N_("Close the text with the same quotation mark that opened it."),
)
_error(
    "text_after_quote",
    N_("Text goes on directly behind a closing quotation mark."),
    N_("Use double quotes around text that holds a single one, or write the inner quotation mark twice."),
)
_error(
    "two_keys",
    N_("Two keys stand on one line."),
    N_("Put the second on a line of its own below, indented, or between braces."),
)
_error(
    "unclosed_bracket",
    N_("A bracket is not closed, or a comma is missing inside it."),
    N_("Close every [ with ] and every { with }, with commas between the parts."),
)
_error(
    "bad_escape",
    N_("A backslash inside double quotes is followed by something unknown."),
    N_("Use single quotes, or write the backslash twice."),
)
_error(
    "yaml_syntax",
    N_("This line cannot be read as YAML."),
    N_("Look at this line and the one before it: a quotation mark, a bracket or a colon is probably missing."),
)
_error(
    "several_documents",
    N_("Lines with “---”, “...” or a percent sign, which split or configure the file, are not used here."),
    N_("Delete the line; one file holds everything."),
)
_error(
    "anchor",
    N_("Values that start with & or * (YAML anchors) are not used here."),
    N_("Put text between quotes; to repeat something use “defaults” or a blueprint."),
)
_error(
    "tag", N_("“%(tag)s” is a YAML tag, and tags are not used here."), N_("Put text that starts with ! between quotes.")
)
_error(
    "duplicate_key",
    N_("“%(key)s” appears twice in the same block (first on line %(first)s)."),
    N_("Keep one of the two; for a list write “- ” before each entry."),
)
_error(
    "key_not_text",
    N_("A key must be plain text."),
    N_("Write “key: value”; text that starts with { or [ needs quotes."),
)

# --- the grammar -----------------------------------------------------------------------------------------------------
_error(
    "language_version",
    N_("The file says language %(version)s, but this panel reads language 1."),
    N_("Write “language: 1”, or update the panel."),
)
_error(
    "unknown_key",
    N_("“%(key)s” is not known in %(form)s."),
    N_("Correct the word; the help lists the keys that may stand here."),
)
_error(
    "belongs_inside",
    N_("“%(key)s” belongs inside “%(block)s”."),
    N_("Move it one level deeper, for example “send: {message: welcome, via: sms}”."),
)
_error(
    "belongs_beside",
    N_("“%(key)s” belongs beside “%(block)s”, not inside it."),
    N_("Move it one level up, to the same column as the verb of the step."),
)
_error("missing_key", N_("“%(key)s” is missing: %(meaning)s."), N_("Add the key with a value."))
_error("empty_value", N_("“%(key)s” has no value."), N_("Write a value after the colon, or delete the line."))
_error(
    "expected_block",
    N_("A block with keys is expected here, for example %(keys)s."),
    N_("Write the keys on lines of their own below, indented by two more spaces."),
)
_error(
    "expected_value",
    N_("One value is expected here, not a list or a block."),
    N_("Write one value after the colon; text that starts with [ or { needs quotes."),
)
_error(
    "expected_steps",
    N_("A list of steps is expected here."),
    N_("Begin each step with “- ”, for example “- send: welcome”."),
)
_error(
    "nothing_said",
    N_("Nothing is said here; write one of: %(keys)s."),
    N_("Add one of the keys named in the message."),
)
_error(
    "too_many",
    N_("Only one of %(keys)s can stand in %(form)s."),
    N_("Begin a new line with “- ” for the second one."),
)
_error(
    "out_of_place",
    N_("“%(key)s” only goes with %(keys)s."),
    N_("Move it to the step or block that it belongs to, or delete it."),
)
_error("needs_key", N_("“%(key)s” needs “%(other)s” beside it."), N_("Add the missing key in the same block."))
_error("say_one", N_("Say either “%(one)s” or “%(other)s”, and only one of them."), N_("Keep the one you mean."))
_error("up_to_missing", N_("“wait_for” needs “up_to”: nobody waits for ever."), N_("Add for example “up_to: 3 days”."))
_error(
    "max_times_missing", N_("“go_to” needs “max_times”: no loop runs for ever."), N_("Add for example “max_times: 3”.")
)
_error("not_one_of", N_("“%(value)s” is not one of %(choices)s."), N_("Choose one of the words named in the message."))
_error(
    "not_a_length",
    N_("“%(value)s” is not a length of time; write for example “3 days”, “2 weeks and 1 day” or “90 minutes”."),
    N_("Use minutes, hours, days, weeks, months or years, joined by “and”."),
)
_error("length_too_long", N_("“%(value)s” is longer than a hundred years."), N_("Write a shorter time."))
_error("length_is_zero", N_("“%(value)s” is no time at all here."), N_("Write a time longer than nothing."))
_error(
    "not_an_offset",
    N_("“%(value)s” is not a distance in time; write for example “3 days before” or “1 week after”."),
    N_("Write a length of time, then “before” or “after”."),
)
_error(
    "not_a_time",
    N_("“%(value)s” is not a time of day; write for example 09:30."),
    N_("Use the 24-hour clock, from 00:00 to 23:59."),
)
_error(
    "not_a_date",
    N_("“%(value)s” is not a date; write for example 2027-01-31."),
    N_("Write year-month-day of the Gregorian calendar."),
)
_error("not_a_number", N_("“%(value)s” is not a number."), N_("Write digits, for example 50 or 12.5."))
_error("not_a_whole_number", N_("“%(value)s” is not a whole number."), N_("Write digits only, for example 3."))
_error(
    "number_out_of_range",
    N_("%(value)s is not between %(least)s and %(most)s."),
    N_("Write a number inside these limits."),
)
_error(
    "not_a_percent",
    N_("“%(value)s” is not a percentage; write for example 45%%."),
    N_("Write a number from 0 to 100, with or without the percent sign."),
)
_error("not_yes_or_no", N_("“%(value)s” is neither yes nor no."), N_("Write yes or no."))
_error("only_yes", N_("“%(key)s: no” says nothing."), N_("Write “yes”, or delete the line."))
_error(
    "not_a_time_zone",
    N_("“%(value)s” is not a time zone; write for example Asia/Jerusalem, Asia/Tehran, contact or company."),
    N_("Write Region/City as in the time zone list."),
)
_error("not_a_day", N_("“%(value)s” is not a day of the week."), N_("Write sun, mon, tue, wed, thu, fri or sat."))
_error(
    "not_a_limit",
    N_("“%(value)s” is not a limit; write for example “3 per week” or “1 per 3 days”."),
    N_("Write a number, “per”, and a length of time."),
)
_error(
    "not_an_identity",
    N_("“%(value)s” cannot be an identity."),
    N_("Use lower-case English letters, digits and _, beginning with a letter; the title goes into “name”."),
)
_error(
    "not_a_re_enter",
    N_(
        "“%(value)s” does not say when a contact may come again; write never, after_exit, always,"
        " or for example “after 30 days”."
    ),
    N_("Choose one of the four forms."),
)
_error(
    "not_a_review",
    N_("“%(value)s” is neither a length of time nor a date; write for example “6 months” or 2027-01-31."),
    N_("Say when the owner is asked whether the journey goes on."),
)
_error(
    "not_a_rhythm",
    N_("“%(value)s” does not say how often to look; write “hourly” or for example “daily at 06:00”."),
    N_("Write “hourly”, or “daily at” and a time."),
)
_error(
    "not_a_count",
    N_("“%(value)s” is not a number of times; write for example “at least 2”."),
    N_("Write at least, at most, exactly, more than or less than, then a number."),
)
_error(
    "text_too_long", N_("This text has %(length)s characters; %(most)s are allowed here."), N_("Move it to a template.")
)
_error(
    "too_many_problems",
    N_("There are more problems than are shown here."),
    N_("Correct the first ones and check again."),
)

# --- what belongs together -------------------------------------------------------------------------------------------
_error(
    "hours_order",
    N_("“to” must be later than “from”: these are the hours when sending is allowed."),
    N_("For the evening and night write two journeys, or allow the day: hours never cross midnight."),
)
_error("days_twice", N_("Use “days” or “not_on”, not both."), N_("Keep one of the two."))
_error("never_open", N_("These hours never open: no day is left."), N_("Allow at least one day."))
_error(
    "shares",
    N_("The shares, with hold_out, add up to %(sum)s%%, not to 100%%."),
    N_("Change the shares so that together they make a hundred percent."),
)
_error(
    "too_few_variants",
    N_("A test needs two variants, or one variant and a hold_out."),
    N_("Add a variant or a hold_out share."),
)
_error("same_variant", N_("Two variants are called “%(name)s”."), N_("Give each variant its own name."))
_error(
    "sum_needed",
    N_("“measure: sum_per_contact” needs “sum” in the goal."),
    N_("Add for example “sum: event.amount” to the goal."),
)
_error(
    "within_needed",
    N_("The goal of a test needs “within”, so that every contact is counted for the same length of time."),
    N_("Add for example “within: 30 days” to the goal."),
)
_error("at_latest_too_early", N_("“at_latest” must not be shorter than “after”."), N_("Make “at_latest” longer."))
_error(
    "no_operator",
    N_("“field: %(field)s” compares with nothing."),
    N_("Add for example “is: yes”, “more_than: 50” or “is_set: yes”."),
)
_error(
    "same_id", N_("Two steps have the identity “%(id)s” (first on line %(first)s)."), N_("Give one of them another id.")
)
_error(
    "unknown_step",
    N_("There is no step “%(step)s” in this journey."),
    N_("Write the id of a step; give the step an id if it has none."),
)
_error(
    "ambiguous_step",
    N_("“%(step)s” can be more than one step of this journey."),
    N_("Give the step you mean an id, and write that id."),
)
_error("not_a_message_step", N_("The step “%(step)s” sends no message."), N_("Name a send or reach step."))
_error(
    "merge_field_broken",
    N_("“%(text)s” is not a merge field; write [[field]] or [[field|what to say when it is empty]]."),
    N_("Open with [[ and close with ]]."),
)
_error(
    "service_only",
    N_("“ignore_limits” is only for journeys with “purpose: service”."),
    N_("Delete it, or change the purpose if this truly is a service message."),
)
_error(
    "starts_itself",
    N_("A journey cannot start itself."),
    N_("Use “re_enter” to let a contact come again, or “go_to” to go back."),
)
_error(
    "unknown_answer",
    N_("The blueprint “%(blueprint)s” asks no question “%(answer)s”."),
    N_("Correct the word or delete the answer."),
)
_error(
    "missing_answer",
    N_("The blueprint “%(blueprint)s” needs an answer to “%(answer)s”."),
    N_("Add the answer below “inputs”."),
)
_error(
    "unknown_question",
    N_("${%(answer)s} is used here, but the blueprint asks no such question."),
    N_("Add it below the “inputs” of the blueprint, or correct the word."),
)
_error("nested_blueprint", N_("A blueprint cannot use another blueprint."), N_("Copy the steps into this blueprint."))
_error(
    "on_out_of_range",
    N_("“on” must be a day of the week with “every: week”, and 1 to 31 with “every: month”."),
    N_("Write for example “on: sun” or “on: 15”."),
)

# --- names -----------------------------------------------------------------------------------------------------------
_error(
    "unknown_list",
    N_("There is no list called “%(name)s”."),
    N_("Make the list in the panel first, or correct the name."),
)
_error(
    "unknown_field",
    N_("There is no field called “%(name)s”."),
    N_("Make the field in the panel first, or correct the name."),
)
_error(
    "unknown_merge_field",
    N_("[[%(name)s]] is not a known field."),
    N_("Correct the name, or make the field in the panel first."),
)
_error(
    "unknown_event",
    N_("There is no event called “%(name)s”."),
    N_("Correct the name; the help lists the events of the panel and of each plugin."),
)
_error(
    "event_is_history",
    N_("“%(name)s” is kept on the timeline, but no journey starts, stops or goes on by it."),
    N_("Use another event, or ask in a condition: {happened: …}, {in_journey: …}, {message: …, was: …}."),
)
_error(
    "field_not_settable",
    N_("The field “%(name)s” cannot be set here."),
    N_("For the score use the step “score”; what the panel makes by itself stays as it is."),
)
_error(
    "unknown_event_field", N_("The event “%(event)s” has no field “%(name)s”."), N_("Correct the name of the field.")
)
_error(
    "unknown_template",
    N_("There is no template called “%(name)s”."),
    N_("Make the template in the panel first, or correct the name."),
)
_error(
    "unknown_segment",
    N_("There is no segment called “%(name)s”."),
    N_("Make the segment in the panel first, or correct the name."),
)
_error(
    "unknown_form",
    N_("There is no form called “%(name)s”."),
    N_("Make the form in the panel first, or correct the name."),
)
_error(
    "unknown_page",
    N_("There is no page called “%(name)s”."),
    N_("Make the page in the panel first, or correct the name."),
)
_error(
    "unknown_journey",
    N_("There is no journey with the identity “%(name)s”."),
    N_("Write the identity of a journey, the word before its colon."),
)
_error(
    "unknown_channel",
    N_("There is no channel called “%(name)s”."),
    N_("Correct the word, or install the plugin that brings this channel."),
)
_error(
    "unknown_check", N_("No plugin supplies the condition “%(name)s”."), N_("Correct the name, or install the plugin.")
)
_error(
    "unknown_action", N_("No plugin supplies the action “%(name)s”."), N_("Correct the name, or install the plugin.")
)
_error(
    "unknown_calendar",
    N_("There is no holiday calendar called “%(name)s”."),
    N_("Correct the name, or install the calendar plugin."),
)
_error(
    "unknown_blueprint",
    N_("There is no blueprint called “%(name)s”."),
    N_("Correct the name, or add the blueprint below “blueprints”."),
)
_error(
    "plugin_missing",
    N_("“%(name)s” belongs to the plugin “%(plugin)s”, which is not installed or not enabled."),
    N_("Enable the plugin on the plugins page."),
)

# --- not running yet -------------------------------------------------------------------------------------------------
_error(
    "step_not_running",
    N_("The step “%(name)s” is read, but this version of the panel cannot carry it out yet."),
    N_("Use other steps until the panel is updated; the draft is kept."),
)
_error(
    "trigger_not_running",
    N_("The trigger “%(name)s” is read, but this version of the panel cannot carry it out yet."),
    N_("Use another trigger until the panel is updated; the draft is kept."),
)
_error(
    "condition_not_running",
    N_("The condition “%(name)s” is read, but this version of the panel cannot carry it out yet."),
    N_("Use another condition until the panel is updated; the draft is kept."),
)
_error(
    "setting_not_running",
    N_("The setting “%(name)s” is read, but this version of the panel cannot carry it out yet."),
    N_("Delete it until the panel is updated; the draft is kept."),
)

# --- allowed, but look again -----------------------------------------------------------------------------------------
_warning(
    "same_looking_steps",
    N_("Two steps look the same; this one is called “%(id)s”."),
    N_("Give it an id, so that contacts keep their place when the journey is edited."),
)
_warning(
    "opens_lie",
    N_("This branch depends on “opened” alone; mail programs open mails by themselves."),
    N_("“clicked”, “replied” or an event of your own says more."),
)
_warning(
    "no_stop",
    N_("Nothing stops this journey early: it has neither “stop_when” nor “goal”."),
    N_("Say what makes the rest of the messages needless, for example a purchase."),
)
_warning(
    "no_exclusions",
    N_("Nobody is excluded from this marketing journey."),
    N_("Add “exclude_if”, for example your own staff or customers with an open complaint."),
)
_warning(
    "no_send_hours",
    N_("Messages may go out at any hour of the night."),
    N_("Add “send_hours” to the journey or to the defaults."),
)
_warning("no_wait_between", N_("Two messages follow each other without a wait."), N_("Put a wait between them."))
_warning(
    "long_sms",
    N_("This text message is about %(segments)s parts long, and each part is paid for."),
    N_("Shorten it; Hebrew and Persian fit 70 letters in one part."),
)
_warning(
    "channel_off",
    N_("No enabled plugin brings the channel “%(name)s”."),
    N_("Enable the plugin, or choose another channel."),
)
_warning(
    "template_channel",
    N_("The template “%(name)s” has no form for %(channel)s."),
    N_("Add it to the template, or choose another channel."),
)
_warning(
    "template_language",
    N_("The template “%(name)s” has no text in %(languages)s."),
    N_("Add the language to the template; until then contacts get the main language."),
)
_warning(
    "far_review",
    N_("Nobody looks at this journey for more than a year."),
    N_("Choose an earlier “review_after”, or add “ends_on”."),
)
_warning(
    "ends_in_past",
    N_("The journey ended on %(date)s: nobody can enter."),
    N_("Choose a later date or delete “ends_on”."),
)
_warning(
    "comes_once",
    N_("It comes round every %(every)s, but each contact is taken in only once."),
    N_("Write “re_enter: always” if everybody is meant every time."),
)
_warning("unreachable_step", N_("No contact can ever reach this step."), N_("Move it before the “stop”, or delete it."))
_warning(
    "unknown_person",
    N_("Nobody in the panel is called “%(name)s”."),
    N_("Correct the name, or add the person; until then the owners of the panel are asked."),
)
_warning(
    "field_may_be_empty",
    N_("[[%(name)s]] may be empty, and then the contact is held at this step."),
    N_("Say what to write instead: [[%(name)s|friend]]."),
)
_warning(
    "unused_question",
    N_("The blueprint asks “%(answer)s” but never uses the answer."),
    N_("Use ${%(answer)s} in its journey, or delete the question."),
)
_warning(
    "loop_without_wait", N_("This “go_to” goes back without any wait in between."), N_("Put a wait into the loop.")
)
