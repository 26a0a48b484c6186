"""Why somebody did or did not enter a journey, what a step did, why a run ended: every code as a sentence.

The codes are what the engine stores (`entry_checks.outcome`, `step_runs.outcome`, `enrolments.reason`); these are
their words. Message codes are in `panel.messages.reasons`.
"""

from __future__ import annotations

from panel.i18n import N_, translate

# Why a run is held that a person paused: nothing has to be mended, see `panel.journeys.pausing`.
PAUSED = "paused_by_person"
START_TAKEN_BACK = "start_taken_back"  # such a run does not count as having been inside

ENTRY: dict[str, str] = {
    "entered": N_("Entered the journey."),
    "not_live": N_("The journey was not live at that moment."),
    "ended": N_("The journey takes nobody in any more."),
    "already_in": N_("Was already inside this journey."),
    "never_again": N_("Was inside once before, and this journey takes each contact only once."),
    "too_soon": N_("Was inside not long ago, and this journey asks for a longer break."),
    "only_if_false": N_("Did not meet the condition for entering."),
    "excluded": N_("Belongs to those whom the journey leaves out."),
    "stop_already_happened": N_("What stops this journey had already happened."),
    "entry_limit": N_("The journey had taken in as many contacts as it may for now; this one waits in a row."),
    "existing_skipped": N_("The condition already held when the journey went live, so it does not count as a start."),
    "duplicate_event": N_("The same event had already started this journey."),
    "too_deep": N_("Journeys had started one another too many times in a row."),
    "journey_circle": N_("This journey had led here itself within a day; journeys do not run in a circle."),
    "contact_erased": N_("The contact was erased."),
    "date_changed": N_("The date that should have started it was changed or taken away before its day came."),
    "too_late": N_("Its day had passed by longer than this journey allows, because nothing was running in between."),
    "source_stale": N_("What we know from outside is too old to decide by, so the start waits until it is fresh."),
}

STEP: dict[str, str] = {
    "done": N_("Done."),
    "passed_condition": N_("Passed over: its condition was not met."),
    "passed_disabled": N_("Passed over: the step is switched off."),
    "already_done": N_("Passed over: it was already done before the journey was changed."),
    "waiting": N_("Waiting."),
    "time_came": N_("The waiting time was over."),
    "event_came": N_("What it waited for happened."),
    "timeout": N_("What it waited for did not happen in time."),
    "branch": N_("Took one of the branches."),
    "variant": N_("Was given one of the variants of the test."),
    "winner": N_("The test is decided: was given what won."),
    "held_out": N_("Belongs to the group that gets nothing, for comparison."),
    "held_missing_field": N_("Stands still: a merge field has no value for this contact."),
    "held_missing_template": N_("Stands still: the template is missing."),
    "held_plugin": N_("Stands still: a plugin that this step needs is switched off or missing."),
    "held_missing_journey": N_("Stands still: the journey it should start is not there."),
    "held_undecided": N_("Stands still: a condition cannot be judged at the moment."),
    "was_not_inside": N_("Was not inside that journey."),
    "held_error": N_("Stands still: the step could not be carried out."),
    "held_unknown": N_("Stands still: nobody knows whether the message went out. A person decides."),
    "held_restored": N_("Stands still: what was reported may have happened before the database was restored."),
    PAUSED: N_("Paused: a colleague decided so. Nothing of this journey goes out until somebody lets it go on."),
    "skipped_by_person": N_("Passed over: a colleague decided so."),
    "wait_by_person": N_("A colleague chose the moment."),
    "moved_by_person": N_("Left: a colleague moved the contact to another step."),
    "moved_to_version": N_("Went on in a newer version of the journey."),
    "date_has_passed": N_("The date it should have waited for had already passed."),
    "task_cancelled": N_("The task was taken back; the journey went on."),
    "failed": N_("Could not be carried out, and was not waited for."),
    "max_times": N_("Went back as often as it may."),
}

END: dict[str, str] = {
    "finished": N_("came to the end"),
    "goal": N_("the goal was reached"),
    "stopped": N_("something happened that stops this journey"),
    "excluded": N_("now belongs to those whom the journey leaves out"),
    "stopped_by_journey": N_("another journey ended it"),
    "stop_step": N_("a stop step"),
    "step_failed": N_("a step could not be carried out"),
    "stayed_too_long": N_("stayed as long as anybody may"),
    "removed_by_person": N_("taken out by a colleague"),
    "start_taken_back": N_("a colleague took the start back"),
    "restarted": N_("the journey began again"),
    "journey_closed": N_("the journey was closed"),
    "contact_erased": N_("the contact was erased"),
    "contact_merged": N_("the contact was merged into another"),
}

STATUS: dict[str, str] = {
    "active": N_("inside"),
    "held": N_("standing still"),
    "finished": N_("finished"),
    "goal": N_("goal reached"),
    "stopped": N_("stopped"),
    "excluded": N_("left out"),
    "removed": N_("taken out"),
    "error": N_("broken off"),
}

STATES: dict[str, str] = {
    "draft": N_("Draft"),
    "live": N_("Live"),
    "paused": N_("Paused"),
    "closing": N_("Closing"),
    "ended": N_("Ended"),
}


def entry_words(code: str, language: str) -> str:
    """Why a start was refused (or not), as a sentence."""
    return _words(ENTRY, code, language)


def step_words(code: str, language: str) -> str:
    """What became of a step, as a sentence."""
    return _words(STEP, code, language)


def end_words(code: str, language: str) -> str:
    """Why a run ended, as words that follow a colon."""
    return _words(END, code, language)


def status_words(code: str, language: str) -> str:
    """The state of a run in one or two words."""
    return _words(STATUS, code, language)


def state_words(code: str, language: str) -> str:
    """The state of a journey in one word."""
    return _words(STATES, code, language)


def _words(known: dict[str, str], code: str, language: str) -> str:
    sentence = known.get(code)
    return translate(language, sentence) if sentence else translate(language, N_("Reason: %(code)s."), code=code)
