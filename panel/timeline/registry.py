"""The event types known here: the core's, declared below, and those plugins add."""

from __future__ import annotations

from datetime import timedelta

from panel.errors import UserError
from panel.i18n import N_
from panel.sdk.events import EventField, EventType

_ADDRESS = EventField("address", N_("address"))
_CHANNEL = EventField("channel", N_("channel"), personal=False)
_REASON = EventField("reason", N_("reason"), personal=False)
_JOURNEY = EventField("journey", N_("journey"), personal=False)
_SUBJECT = EventField("subject", N_("subject"))
_LIST = EventField("list", N_("list"), personal=False)
_TAG = EventField("tag", N_("tag"), personal=False)
_ACTION = EventField("action", N_("action"), personal=False)
_AMOUNT = EventField("amount", N_("amount"), "money")
_TITLE = EventField("title", N_("what to do"))
_WHAT = EventField("what", N_("which message"))
_UNTIL = EventField("until", N_("new time"), "moment", personal=False)
_WHO = EventField("who", N_("who"), personal=False)

CORE = (
    EventType(
        "contact_created",
        N_("Contact created"),
        N_("Came in: %(how)s"),
        "user-plus",
        "profile",
        (EventField("how", N_("how"), personal=False), EventField("detail", N_("detail"), personal=False)),
    ),
    EventType(
        "contact_updated",
        N_("Details changed"),
        N_("Details changed: %(fields)s"),
        "edit",
        "profile",
        (EventField("fields", N_("fields"), personal=False), EventField("changes", N_("before and after"))),
        starts=False,
    ),
    EventType("contact_merged", N_("Contacts merged"), N_("%(name)s was merged in"), "arrows-join", "profile",
              (EventField("name", N_("name")),), starts=False),
    EventType("contact_unmerged", N_("Merge undone"), N_("The merge with %(name)s was undone"), "arrows-split",
              "profile", (EventField("name", N_("name")),), starts=False),
    EventType("contact_erased", N_("Erased"), N_("Personal data was erased"), "eraser", "profile", (), starts=False),
    EventType("list_joined", N_("Joined a list"), N_("Joined the list %(list)s"), "list-check", "profile", (_LIST,)),
    EventType("list_left", N_("Left a list"), N_("Left the list %(list)s"), "list-details", "profile", (_LIST,)),
    EventType("tag_added", N_("Tag added"), N_("Got the tag %(tag)s"), "tag", "profile", (_TAG,)),
    EventType("tag_removed", N_("Tag removed"), N_("Lost the tag %(tag)s"), "tag-off", "profile", (_TAG,)),
    EventType("consent_given", N_("Consent given"), N_("Agreed to %(channel)s messages (%(how)s)"), "shield-check",
              "consent", (_CHANNEL, EventField("how", N_("how"), personal=False), EventField("wording", N_("wording"))),
              tone="good"),
    EventType("opted_out", N_("Opted out"), N_("Opted out of %(channel)s messages (%(how)s)"), "bell-off", "consent",
              (_CHANNEL, EventField("how", N_("how"), personal=False), EventField("wording", N_("wording"))),
              tone="attention"),
    EventType("address_suppressed", N_("Address blocked"), N_("%(address)s is blocked for %(channel)s: %(reason)s"),
              "ban", "consent", (_ADDRESS, _CHANNEL, _REASON), tone="bad", starts=False),
    EventType("suppression_lifted", N_("Block removed"), N_("%(address)s may be used for %(channel)s again"),
              "circle-check", "consent", (_ADDRESS, _CHANNEL), starts=False),
    EventType("rest_began", N_("Nothing is sent for a while"), N_("Nothing is sent until %(until)s (%(scope)s)"),
              "moon", "consent", (EventField("until", N_("until"), "moment", personal=False),
                                  EventField("scope", N_("what"), personal=False),
                                  EventField("reason_words", N_("reason"))), tone="attention", starts=False),
    EventType("rest_ended", N_("The rest is over"), N_("The rest was ended; messages go out again"), "player-play",
              "consent", (), starts=False),
    EventType("address_first", N_("Main address chosen"), N_("%(address)s is the main one now"), "at", "profile",
              (_ADDRESS,), starts=False),
    EventType("address_broken", N_("Address does not work"), N_("%(address)s was marked: it does not work"),
              "alert-triangle", "profile", (_ADDRESS, EventField("note", N_("reason"))), tone="bad", starts=False),
    EventType("address_works", N_("Address works again"), N_("%(address)s works again"), "circle-check", "profile",
              (_ADDRESS,), starts=False),
    EventType("note_added", N_("Note"), N_("%(text)s"), "note", "notes", (EventField("text", N_("text")),)),
    EventType("note_changed", N_("Note corrected"), N_("A note was corrected; before: %(earlier_text)s"), "pencil",
              "notes", (EventField("earlier_text", N_("what it said")),), starts=False),
    EventType("task_created", N_("Task given"), N_("Task for %(who)s: %(title)s"), "checkbox", "notes",
              (_TITLE, _WHO, EventField("due", N_("due"), "date", personal=False)), starts=False),
    EventType("task_done", N_("Task done"), N_("Task done: %(title)s"), "circle-check", "notes",
              (_TITLE, EventField("outcome", N_("how it went"))), tone="good"),
    EventType("task_cancelled", N_("Task taken back"), N_("Task taken back: %(title)s"), "circle-x", "notes",
              (_TITLE, _REASON)),
    EventType("task_reopened", N_("Task opened again"), N_("Task opened again: %(title)s"), "arrow-back-up", "notes",
              (_TITLE,), starts=False),
    EventType("task_assigned", N_("Task handed over"), N_("Task handed over to %(who)s: %(title)s"),
              "switch-horizontal", "notes", (_TITLE, _WHO), starts=False),
    EventType("task_put_off", N_("Task put off"), N_("Task put off: %(title)s"), "clock-pause", "notes",
              (_TITLE, _UNTIL), starts=False),
    EventType("task_as_before", N_("Task as it was before"), N_("Task as it was before: %(title)s"), "arrow-back-up",
              "notes", (_TITLE,), starts=False),
    EventType("score_changed", N_("Score changed"), N_("Score changed by %(by)s, now %(score)s"), "number",
              "engagement", (EventField("by", N_("by"), "number", personal=False),
                             EventField("score", N_("score"), "number", personal=False))),
    EventType("channel_pinned", N_("Channel pinned"), N_("To be written to by %(channel)s: %(reason)s"), "pin",
              "profile", (_CHANNEL, EventField("reason", N_("reason"))), starts=False),
    EventType("channel_unpinned", N_("Channel unpinned"), N_("No longer pinned to %(channel)s"), "pinned-off",
              "profile", (_CHANNEL,), starts=False),
    # A message is one item on the screen; these fold beneath it.
    EventType("message_sent", N_("Message sent"), N_("Sent: %(subject)s"), "send", "messages",
              (_CHANNEL, _ADDRESS, _SUBJECT, EventField("step", N_("step"), personal=False))),
    EventType("message_delivered", N_("Message delivered"), N_("Delivered"), "checks", "messages", (_CHANNEL,),
              tone="good"),
    EventType("message_opened", N_("Message opened"), N_("Opened"), "mail-opened", "engagement",
              (_CHANNEL, EventField("verdict", N_("verdict"), personal=False))),
    EventType("link_clicked", N_("Link clicked"), N_("Clicked %(url)s"), "click", "engagement",
              (_CHANNEL, EventField("url", N_("link"), personal=False),
               EventField("verdict", N_("verdict"), personal=False)), tone="good"),
    # What no person did has kinds of its own: nothing that asks for opens or clicks, now or later, can mistake them.
    EventType("machine_opened", N_("Opened by a machine"), N_("A machine loaded the images (not counted)"), "robot",
              "engagement", (_CHANNEL, EventField("verdict", N_("verdict"), personal=False)), starts=False),
    EventType("machine_clicked", N_("Clicked by a machine"), N_("A machine followed %(url)s (not counted)"), "robot",
              "engagement", (_CHANNEL, EventField("url", N_("link"), personal=False),
                             EventField("verdict", N_("verdict"), personal=False)), starts=False),
    EventType("message_replied", N_("Reply"), N_("Replied: %(text)s"), "message-reply", "engagement",
              (_CHANNEL, EventField("text", N_("text"))), tone="good"),
    EventType("message_bounced", N_("Message bounced"), N_("Came back (%(severity)s): %(detail)s"), "mail-x",
              "messages", (_CHANNEL, EventField("severity", N_("severity"), personal=False),
                           EventField("detail", N_("detail"))), tone="bad"),
    EventType("message_complained", N_("Spam complaint"), N_("Reported the message as spam"), "flag", "consent",
              (_CHANNEL,), tone="bad"),
    EventType("message_failed", N_("Message failed"), N_("Could not be sent: %(detail)s"), "alert-triangle",
              "messages", (_CHANNEL, _ADDRESS, EventField("detail", N_("detail"))), tone="bad"),
    EventType("message_skipped", N_("Message not sent"), N_("Not sent: %(reason)s"), "player-skip-forward",
              "messages", (_CHANNEL, _REASON), tone="attention", starts=False),
    EventType("message_unknown", N_("Sending in doubt"), N_("We do not know whether this went out"), "help-circle",
              "messages", (_CHANNEL, _ADDRESS), tone="attention", starts=False),
    EventType("message_settled", N_("Doubt settled"), N_("Settled: %(outcome)s (%(by)s)"), "circle-check", "messages",
              (_CHANNEL, EventField("outcome", N_("outcome"), personal=False),
               EventField("by", N_("by"), personal=False)), starts=False),
    EventType("unsubscribed", N_("Unsubscribed"), N_("Unsubscribed (%(how)s)"), "bell-off", "consent",
              (_CHANNEL, EventField("how", N_("how"), personal=False)), tone="attention"),
    EventType("journey_entered", N_("Entered a journey"), N_("Entered the journey %(journey)s"), "route", "journeys",
              (_JOURNEY, EventField("version", N_("version"), "number", personal=False),
               EventField("because", N_("because"), personal=False)), starts=False),
    EventType("journey_ended", N_("Left a journey"), N_("Left the journey %(journey)s: %(reason)s"), "flag-check",
              "journeys", (_JOURNEY, _REASON), starts=False),
    EventType("planned_sooner", N_("Sent ahead of its time"), N_("Is sent ahead of its time: %(what)s"), "player-play",
              "messages", (_CHANNEL, _WHAT), starts=False),
    EventType("planned_later", N_("Message put off"), N_("Planned for %(until)s: %(what)s"), "clock", "messages",
              (_CHANNEL, _WHAT, _UNTIL), starts=False),
    EventType("planned_again", N_("Planned again"), N_("Planned again as it was: %(what)s"), "arrow-back-up",
              "messages", (_CHANNEL, _WHAT), starts=False),
    EventType("wait_over", N_("Wait ended by a colleague"), N_("The wait in the journey %(journey)s was ended"),
              "player-play", "journeys", (_JOURNEY,), starts=False),
    EventType("wait_moved", N_("Wait moved"), N_("The journey %(journey)s waits until %(until)s"), "clock",
              "journeys", (_JOURNEY, _UNTIL), starts=False),
    EventType("wait_moved_back", N_("Wait as it was"), N_("The journey %(journey)s waits as it did before"),
              "arrow-back-up", "journeys", (_JOURNEY,), starts=False),
    EventType("journey_paused", N_("Journey paused for a contact"), N_("Paused in the journey %(journey)s"),
              "player-pause", "journeys", (_JOURNEY, EventField("why", N_("why"))), tone="attention", starts=False),
    EventType("journey_resumed", N_("Journey goes on for a contact"), N_("Goes on in the journey %(journey)s"),
              "player-play", "journeys", (_JOURNEY,), starts=False),
    EventType("journey_step_skipped", N_("Step skipped by a colleague"),
              N_("A step of the journey %(journey)s was skipped: %(step)s"), "player-skip-forward", "journeys",
              (_JOURNEY, EventField("step", N_("step"), personal=False)), tone="attention", starts=False),
    EventType("journey_moved", N_("Moved to another step"),
              N_("Moved in the journey %(journey)s to the step %(step)s"), "arrow-right", "journeys",
              (_JOURNEY, EventField("step", N_("step"), personal=False)), tone="attention", starts=False),
    EventType("journey_step_back", N_("Back at the step where it stood"),
              N_("Back at its step in the journey %(journey)s"), "arrow-back-up", "journeys", (_JOURNEY,),
              starts=False),
    EventType("journey_put_back", N_("Put back into a journey"), N_("Put back into the journey %(journey)s"),
              "arrow-back-up", "journeys", (_JOURNEY,), starts=False),
    EventType("segment_entered", N_("Came into a segment"), N_("Came into the segment %(segment)s"), "filter",
              "profile", (EventField("segment", N_("segment"), personal=False),)),
    EventType("segment_left", N_("Went out of a segment"), N_("Went out of the segment %(segment)s"), "filter",
              "profile", (EventField("segment", N_("segment"), personal=False),)),
    EventType("form_submitted", N_("Form submitted"), N_("Filled in the form %(form)s"), "forms", "forms",
              (EventField("form", N_("form"), personal=False), EventField("page", N_("on the page")))),
    EventType("page_visited", N_("Page visited"), N_("Visited %(page)s"), "world", "forms",
              (EventField("page", N_("page"), personal=False), EventField("title", N_("title")),
               EventField("url", N_("address of the page")), EventField("referrer", N_("came from")),
               EventField("seconds", N_("seconds on the page"), "number"))),
    EventType("action_done", N_("Action carried out"), N_("Carried out: %(action)s"), "bolt", "journeys",
              (_ACTION,), tone="good", starts=False),
    EventType("action_failed", N_("Action failed"), N_("%(action)s could not be carried out: %(detail)s"),
              "alert-triangle", "journeys", (_ACTION, EventField("detail", N_("detail"))), tone="bad", starts=False),
    EventType("action_unknown", N_("Action in doubt"), N_("We do not know whether %(action)s was carried out"),
              "help-circle", "journeys", (_ACTION,), tone="attention", starts=False),
    # Facts of the business that arrive by API, import or a plugin of another kind.
    EventType("order_paid", N_("Order paid"), N_("Paid an order: %(amount)s"), "shopping-cart", "money",
              (_AMOUNT, EventField("order", N_("order number"))), tone="good"),
    EventType("complaint_opened", N_("Complaint opened"), N_("Opened a complaint"), "mood-sad", "notes", (),
              tone="bad"),
    EventType("refund_requested", N_("Refund requested"), N_("Asked for a refund: %(amount)s"), "receipt-refund",
              "money", (_AMOUNT,), tone="attention"),
)  # fmt: skip

_CORE_NAMES = frozenset(one.name for one in CORE)
FUTURE_TOLERANCE = timedelta(minutes=10)


class EventTypes:
    """A registry by name. `add` refuses a second type of the same name."""

    def __init__(self) -> None:
        self._types = {one.name: one for one in CORE}

    def add(self, event_type: EventType) -> None:
        if event_type.name in self._types:
            raise UserError("event_type_twice", N_("There are two event types called %(name)s"), name=event_type.name)
        self._types[event_type.name] = event_type

    def learn(self, event_type: EventType) -> None:
        """Take a plugin's event type, in place of an earlier one of the same name. Core types cannot be replaced."""
        if event_type.name in _CORE_NAMES:
            self.add(event_type)
        self._types[event_type.name] = event_type

    def get(self, name: str) -> EventType | None:
        return self._types.get(name)

    def all(self) -> list[EventType]:
        return list(self._types.values())


types = EventTypes()
