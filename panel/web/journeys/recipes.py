"""Ready-made beginnings: a journey that works as it stands, with its texts in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from panel.i18n import N_, translate


@dataclass(frozen=True)
class Recipe:
    """`text` is YAML with `{slots}`: `name`, `list` and whatever `words` names (msgids, put in as quoted text)."""

    id: str
    icon: str
    name: str
    about: str
    identity: str
    text: str
    words: dict[str, str]


_START = """{identity}:
  name: {name}
"""

RECIPES = (
    Recipe(
        "welcome",
        "heart",
        N_("Welcome"),
        N_("Somebody joins a list: a first mail, two days later another one, a tag for those who clicked."),
        "welcome",
        """  purpose: marketing
  start_when:
    - {start}
    - manual: yes
  review_after: 6 months
  steps:
    - send:
        via: email
        subject: {hello}
        text: {hello_text}
      id: hello
    - wait: 2 days
    - send:
        via: email
        subject: {story}
        text: {story_text}
      id: story
    - wait_for: {{event: link_clicked}}
      up_to: 3 days
      then:
        - tag: {interested}
""",
        {
            "hello": N_("Welcome, [[first name|friend]]!"),
            "hello_text": N_("Hello [[first name|friend]], good to have you with us. Any question? Just answer."),
            "story": N_("A little more about us"),
            "story_text": N_("Hello [[first name|friend]], here is who we are and what we do every day."),
            "interested": N_("interested"),
        },
    ),
    Recipe(
        "thanks",
        "shopping-cart",
        N_("Thank you after a purchase"),
        N_("An order was paid: a thank-you three days later, and a question a week after that."),
        "thanks",
        """  purpose: marketing
  start_when:
    - event: order_paid
  re_enter: after 30 days
  review_after: 6 months
  steps:
    - wait: 3 days
    - send:
        via: email
        subject: {thanks}
        text: {thanks_text}
      id: thanks
    - wait: 1 week
    - send:
        via: email
        subject: {question}
        text: {question_text}
      id: question
""",
        {
            "thanks": N_("Thank you, [[first name|friend]]"),
            "thanks_text": N_("Hello [[first name|friend]], thank you for your order. It made our day."),
            "question": N_("How was it?"),
            "question_text": N_("Hello [[first name|friend]], are you happy with it? One line is enough, we read all."),
        },
    ),
    Recipe(
        "follow_up",
        "message-2",
        N_("Follow-up by hand"),
        N_("Started on the contact's page: a mail now, a reminder after four days unless there was a reply."),
        "follow_up",
        """  purpose: service
  start_when:
    - manual: yes
  stop_when:
    - event: message_replied
  re_enter: always
  review_after: 1 year
  steps:
    - send:
        via: email
        subject: {first}
        text: {first_text}
      id: first
    - wait: 4 days
    - send:
        via: email
        subject: {again}
        text: {again_text}
      id: again
    - wait: 4 days
    - note: {silent}
""",
        {
            "first": N_("About our conversation"),
            "first_text": N_("Hello [[first name|friend]], thank you for your time. What else can we do for you?"),
            "again": N_("Just a short reminder"),
            "again_text": N_("Hello [[first name|friend]], did my last mail reach you? One line is enough."),
            "silent": N_("No reply to two mails."),
        },
    ),
    Recipe(
        "wake_up",
        "moon",
        N_("Wake up who goes quiet"),
        N_("For whom nothing has happened for three times as long as usual: a mail, a week later another"
           " one, then a note. It ends as soon as they are there again."),
        "wake_up",
        """  purpose: marketing
  start_when:
    - becomes_true: {{rhythm: going_quiet}}
      check: daily at 09:00
  entry_limit: 50 per day
  re_enter: after 3 months
  stop_when:
    - if: {{rhythm: woke_up}}
      reason: {awake}
  review_after: 6 months
  steps:
    - send:
        via: email
        subject: {miss}
        text: {miss_text}
      id: miss
    - wait: 1 week
    - send:
        via: email
        subject: {last}
        text: {last_text}
      id: last
    - wait: 1 week
    - note: {silent}
""",
        {
            "awake": N_("is there again"),
            "miss": N_("We have not heard from you for a while"),
            "miss_text": N_("Hello [[first name|friend]], is everything all right? We would love to hear from you."),
            "last": N_("Shall we stay in touch?"),
            "last_text": N_("Hello [[first name|friend]], one line is enough: what would you like to hear from us?"),
            "silent": N_("Went quiet, and did not answer two mails."),
        },
    ),
    Recipe(
        "blank",
        "file-code",
        N_("Empty"),
        N_("One step and the few lines that every journey needs."),
        "my_journey",
        """  purpose: marketing
  start_when:
    - manual: yes
  review_after: 6 months
  steps:
    - note: {note}
""",
        {"note": N_("Came through the new journey.")},
    ),
)  # fmt: skip


def recipe(id_: str) -> Recipe | None:
    return next((one for one in RECIPES if one.id == id_), None)


def fill(chosen: Recipe, identity: str, name: str, list_name: str | None, language: str) -> str:
    """The text of a new journey. Without a list, a journey that would start with one starts with any new contact."""
    start = f"joins_list: {quoted(list_name)}" if list_name else "contact_created: yes"
    values = {slot: quoted(translate(language, words)) for slot, words in chosen.words.items()}
    return (_START + chosen.text).format(identity=identity, name=quoted(name), start=start, **values)


def quoted(text: str) -> str:
    """A text as YAML that no rule of YAML reads as anything else."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
