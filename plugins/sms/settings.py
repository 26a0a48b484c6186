"""The settings that describe a gateway. All of a gateway's ways are here; there is no code for any of them."""

from __future__ import annotations

from panel.sdk.i18n import N_
from panel.sdk.settings import SettingField

HTTP = ("provider", "http")

FIELDS = (
    SettingField(
        "provider",
        N_("Sends through"),
        "choice",
        default="phone",
        choices=(
            ("phone", N_("The development phone (nothing leaves this machine)")),
            ("http", N_("An SMS gateway on the internet")),
        ),
        help=N_("Begin with the development phone; its page shows every text and can answer."),
    ),
    SettingField(
        "address",
        N_("Address of the gateway"),
        "url",
        help=N_("From the gateway's own documentation: where a message is sent to."),
        required=True,
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "local_network",
        N_("The gateway is in our own network"),
        "yes_no",
        default=False,
        help=N_("Addresses inside this network are refused unless you allow this one here."),
        shown_if=HTTP,
    ),
    SettingField(
        "method",
        N_("Method"),
        "choice",
        default="POST",
        choices=(("POST", "POST"), ("GET", "GET"), ("PUT", "PUT")),
        shown_if=HTTP,
    ),
    SettingField("user", N_("User name"), help=N_("If the gateway asks for one."), shown_if=HTTP, ltr=True),
    SettingField(
        "secret",
        N_("Password or API key"),
        "secret",
        help=N_("Write [[secret]] where it belongs in the lines below."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "headers",
        N_("Header lines"),
        "mapping",
        default={},
        help=N_(
            'One "name: value" a line, such as Authorization: Bearer [[secret]] or Authorization: Basic [[basic]].'
        ),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "format",
        N_("What is sent"),
        "choice",
        default="json",
        choices=(
            ("json", N_("JSON")),
            ("form", N_("Form fields")),
            ("query", N_("Parameters in the address")),
        ),
        shown_if=HTTP,
    ),
    SettingField(
        "body",
        N_("Content"),
        "long_text",
        default='{"to": "[[to]]", "text": "[[text]]", "from": "[[sender]]", "reference": "[[reference]]"}',
        help=N_(
            "JSON as in the gateway's example, or one “name: value” a line. Filled in: [[to]] the number, [[text]] the"
            " text, [[sender]], [[reference]] our own number of the message, [[user]], [[secret]]."
        ),
        required=True,
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField("sender", N_("Sender"), help=N_("The name or number the contact sees."), shown_if=HTTP, ltr=True),
    SettingField(
        "number_form",
        N_("Numbers are written"),
        "choice",
        default="plus",
        choices=(
            ("plus", N_("With a plus: +972521234567")),
            ("digits", N_("Digits only: 972521234567")),
            ("double_zero", N_("With two zeros: 00972521234567")),
            ("national", N_("As inside the country: 0521234567")),
        ),
        shown_if=HTTP,
    ),
    SettingField(
        "good_when",
        N_("The answer is good when"),
        default="",
        help=N_(
            "Nothing: any answer 200 to 299 is a yes. Or a place in the JSON answer and its good values:"
            " status = ok, 0. Places are written like messages.0.status."
        ),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "id_place",
        N_("Where the gateway's id is"),
        help=N_("A place in the JSON answer, such as messages.0.id. Leave it empty if there is none."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "error_place",
        N_("Where the reason of a refusal is"),
        help=N_("A place in the JSON answer, such as error.message."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "bad_number",
        N_("Words for a number that does not work"),
        default="invalid number, unknown subscriber, not a mobile, INVALID_NUMBER, ABSENT_NUMBER",
        help=N_("Values or words, separated by commas. Such a number is not tried again."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "idempotent",
        N_("The gateway never sends one reference twice"),
        "yes_no",
        default=False,
        help=N_("Only if its documentation promises so. Then a message in doubt is simply handed over again."),
        shown_if=HTTP,
    ),
    SettingField(
        "timeout", N_("Seconds to wait for an answer"), "number", default=30, minimum=2, maximum=120, shown_if=HTTP
    ),
    SettingField(
        "per_second",
        N_("Messages per second at most"),
        "number",
        default=None,
        minimum=1,
        maximum=1000,
        help=N_("Empty: no limit."),
        shown_if=HTTP,
    ),
    SettingField(
        "hook_secret",
        N_("Secret that the gateway sends with its reports"),
        "secret",
        help=N_("Only if it sends one. Without it the key in the report address is the proof; see “Addresses”."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "hook_header",
        N_("Header that carries this secret"),
        default="X-Webhook-Secret",
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "report_reference",
        N_("Report: where our reference is"),
        default="reference",
        help=N_("Field of the form, or place in the JSON."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField("report_id", N_("Report: where the gateway's id is"), default="message_id", shown_if=HTTP, ltr=True),
    SettingField("report_status", N_("Report: where the status is"), default="status", shown_if=HTTP, ltr=True),
    SettingField(
        "report_delivered",
        N_("Report: words for delivered"),
        default="delivered, DELIVRD, delivery_success, 1",
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField(
        "report_failed",
        N_("Report: words for failed"),
        default="failed, undelivered, UNDELIV, EXPIRED, REJECTD, DELETED, delivery_failed, 2",
        help=N_("Any other status is only a stage on the way and changes nothing."),
        shown_if=HTTP,
        ltr=True,
    ),
    SettingField("reply_from", N_("Reply: where the number is"), default="from", shown_if=HTTP, ltr=True),
    SettingField("reply_text", N_("Reply: where the text is"), default="text", shown_if=HTTP, ltr=True),
    SettingField("reply_id", N_("Reply: where its id is"), default="id", shown_if=HTTP, ltr=True),
    SettingField(
        "stop_words",
        N_("More words that mean “no more messages”"),
        help=N_("Separated by commas. STOP, הסר, לא, لغو and many more are known."),
    ),
)
