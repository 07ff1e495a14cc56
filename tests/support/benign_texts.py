"""Harmless texts such as models answer with: prose of many languages, code, markdown, tables, logs, arithmetic. All of it made for this project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from saferoute.guards.answers import AnswerGuards
from saferoute.guards.defaults import guards_with_defaults
from saferoute.values.events import Completed, TextDelta
from saferoute.values.guarding import Context
from saferoute.values.usage import Usage

__all__ = ["TEXTS", "Hold", "hold_of", "pieces_like_tokens"]

TEXTS: dict[str, str] = {
    "English": (
        "Sure! A hash map stores pairs of keys and values. When you look something up, the key is hashed, the hash picks a bucket, and only that "
        "bucket is searched. On average this takes constant time; in the worst case, when every key falls into one bucket, it is linear. "
        "Don't worry about that in practice: most implementations resize, or turn long buckets into trees. "
        "The password manager you asked about does the same thing, and so do most key-value stores."
    ),
    "German": (
        "Der Zug fährt um 14:35 Uhr von Gleis 7 ab und kommt gegen 18 Uhr in München an. Wenn Sie in Nürnberg umsteigen, haben Sie zwölf Minuten "
        "Zeit; das reicht, sofern die Strecke nicht gesperrt ist. Die Donaudampfschifffahrtsgesellschaft gibt es übrigens wirklich."
    ),
    "French": (
        "Veuillez enregistrer vos modifications avant de fermer la page. Pour préparer la pâte, mélangez la farine, les œufs et le lait ; laissez "
        "reposer une heure. C'est une recette qu'on apprend à l'école primaire, et qu'on n'oublie jamais."
    ),
    "Spanish": "Claro que sí. La biblioteca abre de lunes a viernes, de 9 a 20 h; los sábados sólo por la mañana. ¿Quieres que te reserve el libro?",
    "Polish": "Oczywiście. Aby zmienić hasło, otwórz ustawienia, wybierz zakładkę „Bezpieczeństwo” i postępuj zgodnie z instrukcjami na ekranie.",
    "Russian": "Конечно. Чтобы изменить настройки, откройте меню и выберите пункт «Параметры». После этого программу нужно перезапустить.",
    "Greek": "Φυσικά. Η συνάρτηση επιστρέφει το άθροισμα των δύο αριθμών, ή μηδέν όταν η λίστα είναι κενή.",
    "Chinese": "当然可以。哈希表用键来存放数据：先计算键的散列值，再到对应的桶里查找。平均情况下，查找只需要常数时间；如果所有键都落在同一个桶里，就会退化成线性时间。",
    "Japanese": "はい、もちろんです。まず材料を混ぜて、三十分ほど休ませてください。そのあと、フライパンを温めて、薄く焼きます。",
    "Korean": "네, 물론입니다. 설정을 바꾸려면 메뉴를 열고 '환경 설정'을 선택한 다음 프로그램을 다시 시작하세요.",
    "Arabic": "بالطبع. لتغيير الإعدادات، افتح القائمة واختر «الخيارات»، ثم أعد تشغيل البرنامج. بعد ذلك ستظهر التغييرات فورًا.",
    "Persian": "البته. می‌خواهید نمونه‌ای ببینید؟ ابتدا پرونده را باز کنید و سپس گزینه‌ی ذخیره را انتخاب کنید.",
    "Hebrew": "בוודאי. כדי לשנות את ההגדרות, פתחו את התפריט ובחרו באפשרות המתאימה; לאחר מכן הפעילו מחדש את התוכנה.",
    "Hindi": "ज़रूर। सेटिंग बदलने के लिए मेन्यू खोलें, फिर विकल्प चुनें और प्रोग्राम को दोबारा शुरू करें।",
    "Thai": "ได้เลยครับ ถ้าต้องการเปลี่ยนการตั้งค่า ให้เปิดเมนูแล้วเลือกตัวเลือก จากนั้นเริ่มโปรแกรมใหม่อีกครั้ง",
    "emoji": "Great news 🎉 the build is green ✅ and the family 👩‍👩‍👧‍👦 is happy 😀! Next stop: 🏴󠁧󠁢󠁥󠁮󠁧󠁿 and 🇩🇪, then home 🏡.",
    "markdown": (
        "## Steps\n\n1. **Install** the package: `pip install example`\n2. *Read* the [guide](https://docs.example.org/guide/start.html)\n3. Run it\n\n"
        "> A note: see also the [reference](https://docs.example.org/api#options) and https://example.org/faq?lang=en.\n\n"
        "| name | size | note |\n|---|---:|---|\n| alpha | 12 | ok |\n| beta | 7 | - |\n\n---\n\n- [x] done\n- [ ] to do\n"
    ),
    "Python": (
        "```python\nfrom dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Point:\n    x: float = 0.0\n    y: float = 0.0\n\n"
        "    def __add__(self, other):\n        return Point(self.x + other.x, self.y + other.y)\n\n\n"
        'def read_config(path, *, api_key=None):\n    api_key = api_key or os.environ["API_KEY"]\n    with open(path, encoding="utf-8") as file:\n'
        "        return {**json.load(file), 'key': api_key, 'retries': 3}\n```\n"
    ),
    "JavaScript": (
        "```js\nconst total = items.map(({ price, count }) => price * count).reduce((a, b) => a + b, 0);\n"
        "document.querySelector('#total').textContent = `${total.toFixed(2)} €`;\nexport default async function load(url) {\n"
        "  const answer = await fetch(url, { headers: { Accept: 'application/json' } });\n  return answer.ok ? answer.json() : null;\n}\n```\n"
    ),
    "shell": '```sh\ngit clone https://example.org/team/tool.git && cd tool\nmake -j4 check 2>&1 | tail -n 20\nexport PATH="$HOME/.local/bin:$PATH"\n```\n',
    "SQL": "```sql\nSELECT c.name, COUNT(*) AS orders FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.total > 100 GROUP BY c.name;\n```\n",
    "HTML": '```html\n<ul class="menu">\n  <li><a href="/start">Start</a></li>\n  <li><a href="/help">Help</a></li>\n</ul>\n<p>5 &lt; 6 &amp;&amp; 7 &gt; 3</p>\n```\n',
    "JSON": '{"name": "alpha", "tags": ["one", "two"], "size": 12, "ratio": 0.375, "nested": {"ok": true, "none": null}, "when": "2026-03-01T12:30:00Z"}',
    "arithmetic": "12 × 12 = 144, 144 / 7 ≈ 20.571, and 2^10 = 1024. The sum 1 + 2 + ... + 100 is 100 · 101 / 2 = 5050; 3.14159 is π to five digits.",
    "mathematics": "Let $f(x) = \\sum_{n=0}^{\\infty} a_n x^n$. Then $$\\int_0^1 f(x)\\,dx = \\sum_{n \\ge 0} \\frac{a_n}{n+1},$$ if it converges.",
    "log": (
        "2026-03-01 12:30:01 INFO  worker-3 started, version 1.14.2\n2026-03-01 12:30:07 WARN  queue length 512 (limit 500)\n"
        "2026-03-01 12:30:09 INFO  commit 9fceb02d0ae598e95dc970b74767f19372d61af8 deployed\n"
        "2026-03-01 12:30:11 INFO  request 3f2b8c1e-5d4a-4c7b-9e1f-0a2b3c4d5e6f done in 41 ms\n"
    ),
    "dialogue": "\"Where were you?\" she asked.\n\"At the sea,\" he said, \"and then --- nowhere.\"\nShe laughed. \"That's what you always say!\"\n",
    "list": "- apples\n- pears\n- plums\n- cherries\n- a very small melon\n- two kinds of cheese\n- bread, if there is any\n",
    "letter": "Dear Ms Miller,\n\nthank you for your message of 3 May. We will send the new contract by the end of next week.\n\nKind regards,\nthe team",
}  # fmt: skip


class Hold:
    """How much guards held back of a text that came in pieces.

    Attributes:
        held: characters that had come and were not shown, after each piece.
        late: pieces that had to come before something was shown, besides the first one.
        shown: the text as it was shown.
    """

    def __init__(self) -> None:
        self.held: list[int] = []
        self.late = 0
        self.shown = ""

    @property
    def median(self) -> float:
        return median(self.held)


def hold_of(pieces: Sequence[str], active: Any = None) -> Hold:
    """Have the guards that are on by default, or others, judge a text that comes in these pieces."""
    judging = AnswerGuards(guards_with_defaults((), enforce=True) if active is None else active, Context, lambda kind: f"[{kind}]")
    hold, come = Hold(), 0
    for piece in pieces:
        come += len(piece)
        hold.shown += _shown(judging, [TextDelta(piece, 0)])
        hold.late += not hold.shown
        hold.held.append(come - len(hold.shown))
    hold.shown += _shown(judging, [Completed("stop", "stop", Usage())])
    return hold


def _shown(judging: AnswerGuards, events: Iterable[Any]) -> str:
    return "".join(event.text for event in judging.feed(events) if isinstance(event, TextDelta))


def pieces_like_tokens(text: str, draw: Callable[[int, int], int]) -> list[str]:
    """Cut a text as providers do: short words whole, with the space before them; long ones, and what has no spaces, in some letters.

    Args:
        text: the text.
        draw: a whole number from the first to the second, by chance.
    """
    pieces, at = [], 0
    while at < len(text):
        space = text.find(" ", at + 1)
        end = min(space if space > 0 else len(text), at + draw(2, 9), len(text))
        pieces.append(text[at:end])
        at = end
    return pieces
