"""Who the demo's contacts are. Names are invented; addresses and numbers belong to nobody."""

from __future__ import annotations

# (name, language, city, e-mail, company, customer number); a number is given to old customers only.
Somebody = tuple[str, str, str, str, str, str]

PEOPLE: tuple[Somebody, ...] = (
    ("דנה כהן", "he", "חיפה", "dana@example.com", "", "30001"),
    ("דלת כחולה בע\"מ", "he", "תל אביב", "office@example.org", "דלת כחולה בע\"מ", "30002"),
    ("שרה מזרחי", "he", "ירושלים", "sara.mizrahi@example.com", "", "30003"),
    ("יוסי אברהם", "he", "באר שבע", "yossi.avraham@example.com", "", "30004"),
    ("נועה פרץ", "he", "חיפה", "noa.peretz@example.org", "", "30005"),
    ("איתי ביטון", "he", "רעננה", "itay.biton@example.com", "", ""),
    ("מיכל דהן", "he", "מודיעין", "michal.dahan@example.com", "", "30006"),
    ("עומר פרידמן", "he", "תל אביב", "omer.friedman@example.net", "", ""),
    ("תמר שפירא", "he", "נהריה", "tamar.shapira@example.com", "", "30007"),
    ("אבי גולן", "he", "עכו", "avi.golan@example.com", "גולן גינון", "30008"),
    ("רות אזולאי", "he", "אשדוד", "ruth.azoulay@example.org", "", ""),
    ("גיל רוזן", "he", "חולון", "gil.rosen@example.com", "", ""),
    ("הדס בן־דוד", "he", "זכרון יעקב", "hadas.bd@example.com", "", "30009"),
    ("משה לוי", "he", "פתח תקווה", "", "", "30010"),
    ("ליאת כץ", "he", "הרצליה", "liat.katz@example.com", "", ""),
    ("אורי נחום", "he", "כפר סבא", "uri.nahum@example.com", "", ""),
    ("שירה מלכה", "he", "טבריה", "shira.malka@example.org", "", "30011"),
    ("יעל חדד", "he", "חיפה", "yael.hadad@example.com", "", ""),
    ("אמיר סויסה", "he", "אילת", "amir.swissa@example.net", "", ""),
    ("רחל עמר", "he", "צפת", "", "", ""),
    ("נדב גרוס", "he", "תל אביב", "nadav.gross@example.com", "בית קפה גרוס", "30012"),
    ("ענבל שרון", "he", "רמת גן", "inbal.sharon@example.com", "", ""),
    ("דוד אוחיון", "he", "ירושלים", "david.ohayon@example.org", "", ""),
    ("קרן אדלר", "he", "קריית טבעון", "keren.adler@example.com", "", "30013"),
    ("علی کریمی", "fa", "تهران", "ali.karimi@example.com", "", "40001"),
    ("شیرین رضایی", "fa", "اصفهان", "shirin.rezaei@example.com", "", "40002"),
    ("مریم احمدی", "fa", "شیراز", "maryam@example.com", "", ""),
    ("رضا محمدی", "fa", "تبریز", "reza.mohammadi@example.org", "گلخانهٔ محمدی", "40003"),
    ("نسرین حسینی", "fa", "مشهد", "nasrin.hosseini@example.com", "", ""),
    ("بهرام نوری", "fa", "تهران", "bahram.nouri@example.net", "", "40004"),
    ("سارا جعفری", "fa", "کرج", "sara.jafari@example.com", "", ""),
    ("پریسا موسوی", "fa", "رشت", "parisa.mousavi@example.com", "", "40005"),
    ("کاوه صادقی", "fa", "یزد", "kaveh.sadeghi@example.org", "", ""),
    ("نگار رحیمی", "fa", "تهران", "negar.rahimi@example.com", "", ""),
    ("آرش قاسمی", "fa", "قم", "", "", "40006"),
    ("لیلا کاظمی", "fa", "اهواز", "leila.kazemi@example.com", "", ""),
    ("امید شریفی", "fa", "همدان", "omid.sharifi@example.com", "", ""),
    ("مهتاب زارعی", "fa", "شیراز", "mahtab.zarei@example.net", "", "40007"),
    ("فرهاد ملکی", "fa", "ارومیه", "farhad.maleki@example.com", "", ""),
    ("زهرا عباسی", "fa", "تهران", "zahra.abbasi@example.org", "", ""),
    ("میلاد نیک‌پور", "fa", "ساری", "milad.nikpour@example.com", "", ""),
    ("الهام بهرامی", "fa", "کرمان", "elham.bahrami@example.com", "فروشگاه بهرامی", "40008"),
    ("Emma Clarke", "en", "London", "emma.clarke@example.com", "", "50001"),
    ("James O'Neill", "en", "Dublin", "james.oneill@example.org", "", ""),
    ("Sofia Marino", "en", "London", "sofia.marino@example.com", "Marino Flowers", "50002"),
    ("Daniel Weiss", "en", "Haifa", "daniel.weiss@example.com", "", "50003"),
    ("Hannah Fischer", "en", "Berlin", "hannah.fischer@example.net", "", ""),
    ("Oliver Brown", "en", "Leeds", "oliver.brown@example.com", "", ""),
    ("Grace Adeyemi", "en", "Manchester", "grace.adeyemi@example.com", "", "50004"),
    ("Lucas Martin", "en", "Paris", "lucas.martin@example.org", "", ""),
    ("Ava Thompson", "en", "Bristol", "ava.thompson@example.com", "", ""),
    ("Noah Goldberg", "en", "Tel Aviv", "noah.goldberg@example.com", "", "50005"),
    ("Mia Larsen", "en", "Oslo", "mia.larsen@example.net", "", ""),
    ("Ethan Wright", "en", "London", "", "", "50006"),
    ("Chloe Bennett", "en", "Bath", "chloe.bennett@example.com", "", ""),
    ("Isaac Stern", "en", "Jerusalem", "isaac.stern@example.com", "Stern & Daughters", "50007"),
    ("Zoe Petrou", "en", "Athens", "zoe.petrou@example.com", "", ""),
    ("Liam Murphy", "en", "Cork", "liam.murphy@example.org", "", ""),
    ("Ruby Patel", "en", "Leicester", "ruby.patel@example.com", "", "50008"),
    ("Adam Cohen", "en", "Haifa", "adam.cohen@example.com", "", ""),
)  # fmt: skip

TIME_ZONES = {"he": "Asia/Jerusalem", "fa": "Asia/Tehran", "en": "Europe/London"}


def phone_of(number: int, language: str) -> str:
    """A number of its country that no operator has given out."""
    if number == 0:
        return "052-555-0101"  # the customer of the accounting plugin's sample files
    if language == "he":
        return f"050-000-{number:04}"
    return f"+98 900 000 {number:04}" if language == "fa" else f"+44 7700 900{number:03}"


# (handle, name, e-mail, role, language)
COLLEAGUES = (
    ("dana", "דנה לוי", "dana@example.net", "marketing", "he"),
    ("yossi", "Yossi Cohen", "yossi@example.net", "support", "en"),
    ("sara", "سارا احمدی", "sara@example.net", "marketing", "fa"),
    ("sales", "מכירות", "sales@example.net", "support", "he"),
    ("bookkeeper", "Bookkeeper", "bookkeeper@example.net", "viewer", "en"),
    ("support", "Support", "support@example.net", "support", "en"),
)

NOTES = {
    "he": ("מעדיפה שיתקשרו אחרי שש", "ביקש הצעת מחיר לחמישים עציצים", "גרה בקומה רביעית בלי מעלית"),
    "fa": ("عصرها تماس بگیرید", "دربارهٔ بذر ریحان پرسید", "ارسال به نشانی محل کار"),
    "en": ("Prefers a call after six", "Asked about fifty pots for a wedding", "Leave parcels with the neighbour"),
}
