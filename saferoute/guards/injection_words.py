"""Words that instructions to a model are made of, by what they do in a sentence, in fourteen languages.

Each word becomes one letter, so that a rule about the structure of a sentence is a short pattern over letters. Small letters are English,
capitals every other language; what English shares with another language is English.

| letter | what the word does |
|---|---|
| 6 v V | takes an instruction away: ignore, forget, override; 6 as an order, v as a statement |
| w W | takes a limit away, and does much else: remove, disable |
| 9 r R | brings something to light: 9 reveal, leak; r print, repeat |
| x | does so, and much else: explain, list, include |
| s S | says which instructions: previous; 1 needs no more: ignore all the above |
| i I | both which, and that it is not for everyone: initial, original |
| a A | all of them |
| y Y | yours |
| h H | not for everyone: hidden, internal |
| t T | of the system |
| o O | instructions; p P the prompt itself |
| 5 2 | what else sets up a model: configuration; what may: prompts, messages |
| 8 l L | what a model must not do: 8 restrictions, safeguards; l what is said of others too: rules, filters |
| b | which of them: ethical, content |
| u U | you; q a question for what; n not |
| c C | unrestricted; d developer; m M mode; z Z without; e E act, answer |
| 7 | speaks about it: how, why |
| j | says no: refuse |
| g | a model, as a reader; k who reads; 3 note; 4 to; f new |
"""

# ruff: noqa: RUF001  words of other scripts look like other letters; that is what they are
from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IDEOGRAPHIC", "SPACED", "plain"]

# One line per letter, "letter: words"; a line that is indented goes on.
_ENGLISH: Final = """
6: ignore disregard forget override bypass circumvent dismiss discard abandon nullify annul neglect overrule supersede
v: ignores ignored ignoring disregards disregarding disregarded forgets forgetting overrides overriding overrode bypasses
   bypassed bypassing circumvents circumventing circumvented supersedes
w: remove removing disable disabling disabled deactivate deactivating suspend suspending lift lifting drop skip skipping break
   breaking evade evading escape unlock unlocking erase delete reset cancel unshackle violate violating defy defying relax
   disengage disobey shed loosen defeat subvert
9: reveal reveals revealing revealed disclose disclosing discloses divulge divulging expose exposing exposes leak leaking leaked
   spill unveil confess uncover
r: print output outputting display displaying displays repeat repeating recite reciting echo dump show showing shows share
   sharing tell telling give paste reproduce release surrender
x: write explain describe describing summarize summarise translate list state return quote read include including send
   extract extracting access accessing view viewing see seeing know knowing copy provide providing discuss discussing articulate
   encode complete continue finish convert confirm paraphrase understand
1: above below
s: previous previously prior preceding earlier foregoing existing given former aforementioned past following
i: initial original starting first
a: all every entire everything
y: your ur yours
h: hidden secret internal confidential underlying core base private exact full verbatim true foundational foundation
   concealed undisclosed
t: system
o: instruction instructions directives initialization preprompt
5: directive directions orders commands programming configuration config setup parameters
2: prompts messages text context
p: prompt systemprompt
8: restrictions safeguards guardrails constraints guidelines
l: limitations filter filters safety protocols policy policies rules boundaries ethics moderation censorship limits barriers
   refusals
b: content ethical moral behavioral behavioural programmed built
u: you
q: what whats which
n: not never don dont doesn cannot won shouldn mustn didn isn wasn
c: unrestricted uncensored unfiltered jailbroken amoral unconstrained
d: dev debug god admin maintenance sudo root dan jailbreak developer
m: mode
z: no without zero
e: act acting pretend roleplay become respond responds answer answers behave operate operating simulate comply enter enable
   activate function switch speak proceed obey work
g: ai llm llms assistant assistants agents chatbot chatbots bot bots gpt chatgpt claude copilot
k: reading processing summarizing summarising parsing viewing reviewing analyzing analysing ingesting crawling indexing
7: how why when whether
j: refuse refuses refusing refused
3: note notice attention important urgent
4: to for
f: new updated real actual revised
"""

_OTHERS: Final = """
# German
V: ignoriere ignorier ignorieren ignoriert vergiss vergesst vergessen missachte missachten überschreibe überschreiben umgehe
   umgehen umgeh verwirf verwerfen übergehe breche brich übertrete missachtest ignorierst
W: deaktiviere deaktivieren entferne entfernen hebe aufheben lösche setze schalte
R: verrate verraten zeige zeig zeigen gib nenne nennen offenbare offenlegen enthülle enthüllen wiederhole wiederholen drucke
   ausgeben sage sag schreibe
S: vorherigen vorherige vorheriger vorigen bisherigen bisherige vorangegangenen vorangehenden früheren obigen obige oben
I: ursprünglichen ursprüngliche anfänglichen
A: alle allen sämtliche jegliche
Y: deine deinen deiner dein deinem eure euren ihre ihren
H: geheimen geheime versteckten versteckte internen interne
O: anweisungen anweisung instruktionen befehle vorgaben systemanweisungen systemanweisung programmierung konfiguration
   systemnachricht anordnungen
L: einschränkungen beschränkungen regeln richtlinien leitlinien sicherheitsregeln sicherheitsrichtlinien schutzmaßnahmen
   sicherheitsvorkehrungen schutzmechanismen grenzen ethik protokolle
U: du
C: uneingeschränkt unzensiert uneingeschränkten
M: modus
Z: ohne keine keinerlei
E: antworte verhalte handle agiere
# Dutch
V: negeer negeren vergeet vergeten omzeil omzeilen overschrijf
W: verwijder schakel
R: toon onthul laat geef vertel herhaal druk
S: vorige voorgaande bovenstaande eerdere
I: oorspronkelijke
Y: jouw uw jullie
H: verborgen geheime interne
O: instructies opdrachten aanwijzingen systeeminstructies
L: regels beperkingen richtlijnen
Z: zonder geen
U: jij
# French
V: ignorez ignores ignorer oublie oubliez oublier négligez outrepasse outrepasser contourne contournez contourner méprise annule
   annulez abandonne abandonnez transgresse délaisse
W: désactive désactivez supprime supprimez lève enlève
R: révèle révélez révéler affiche affichez afficher montre montrez montrer dis dites donne donnez répète répétez imprime
   imprimez divulgue divulguez dévoile dévoilez partage communique
S: précédentes précédente précédents précédent antérieures antérieurs dessus
I: initiales initiale originales originale origine
A: toutes tous toute
Y: tes ton ta vos votre
H: cachées cachée secrètes secrète internes interne
T: système
O: consignes consigne directives directive ordres programmation invite instructions instruction
L: restrictions règles limites contraintes fous filtres limitations protocoles paramètres barrières
U: tu vous
Z: sans aucune
E: réponds répondez agis agissez
# Spanish
V: ignora ignore ignorar ignoren olvida olvide olvidar omite omita omitir descarta descarte desatiende anula elude evade evita
   desobedece burla abandona prescinde desoye contraviene
W: desactiva desactive elimina elimine quita suspende supera
R: revela revele revelar muestra muestre mostrar muéstrame dime diga imprime imprima repite repita divulga divulgue revélame
   enseña comparte expón cuéntame
S: anteriores anterior previas previa previos previo precedentes arriba
I: iniciales inicial originales original
A: todas todos toda todo cualquier
Y: tus tu sus su
H: ocultas oculta oculto secretas secreta secreto internas interna
T: sistema
O: instrucciones instrucción órdenes directrices directiva indicaciones programación mandatos pautas
L: restricciones reglas normas límites limitaciones salvaguardas salvaguardias filtros protocolos parámetros
U: tú eres estás
C: ilimitado
M: modo
Z: sin ninguna
E: responde actúa responda
# Italian
V: ignorate ignorare dimentica dimenticate dimenticare trascura tralascia scavalca aggira annulla abbandona oltrepassa infrangi
W: disattiva rimuovi
R: rivela rivelate rivelare mostra mostrate mostrami dimmi stampa ripeti svela divulga condividi elenca esponi
S: precedenti precedente sopra
I: iniziali iniziale originali originale
A: tutte tutti
Y: tue tuo tua tuoi vostre
H: nascoste nascosto nascosta segrete segreto
O: istruzioni istruzione direttive direttiva comandi ordini programmazione
L: restrizioni regole limitazioni vincoli filtri protocolli parametri barriere norme linee
Z: senza nessuna
U: sei
E: rispondi agisci
M: modalità
# Portuguese
V: ignorem esqueça esquece esquecer desconsidere desconsiderar desconsidera descarte anule contorne burle abandone viole
   ultrapasse supere
W: desative remova desativa
R: revele revela mostre mostra exiba exibir imprima diga repita divulgue conte exponha compartilhe
S: anteriores prévias prévia acima antecedentes
I: iniciais inicial originais
A: todas todos
Y: suas seus sua seu teus tuas
H: ocultas oculto escondidas secretas secreta
O: instruções instrução ordens comandos diretrizes diretriz programação
L: restrições regras limitações limites salvaguardas filtros protocolos parâmetros barreiras padrões
U: você
Z: sem nenhuma
E: responda aja
# Polish
V: zignoruj ignoruj ignorować zignorować zapomnij pomiń pomijaj odrzuć obejdź
W: wyłącz usuń
R: ujawnij pokaż wyświetl wypisz podaj powtórz zdradź wydrukuj
S: poprzednie poprzednich wcześniejsze powyższe powyższych dotychczasowe
I: początkowe oryginalne
A: wszystkie wszelkie wszystkich
Y: swoje twoje twój swój swoich twoich
H: ukryte tajne wewnętrzne
T: systemowy systemowe systemu systemowego
O: instrukcje instrukcji instrukcję polecenia poleceń wytyczne
L: ograniczenia ograniczeń zasady zasad reguły
Z: bez żadnych
U: ty
E: odpowiadaj
# Russian
V: игнорируй игнорируйте проигнорируй проигнорируйте игнорировать забудь забудьте обойди отбрось отмени
W: отключи отключите сними удали
R: покажи покажите раскрой раскройте выведи выведите напечатай повтори повторите скажи расскажи сообщи назови
S: предыдущие предыдущих прежние вышеуказанные вышеизложенные предшествующие прошлые выше
I: исходные начальные первоначальные изначальные
A: все всех любые
Y: свои твои ваши своих твоих твой свой
H: скрытые секретные внутренние
T: системный системные системную системного
O: инструкции инструкций инструкцию указания указаний команды приказы
L: ограничения ограничений правила правил фильтры
P: промпт промт промпта подсказку
Z: без никаких
U: ты
E: отвечай действуй
# Turkish (görmezden gel is two words; the first is enough)
V: görmezden yoksay unut unutun yok dikkate
W: kaldır devre
R: göster gösterin açıkla söyle yazdır paylaş tekrarla ifşa
S: önceki yukarıdaki evvelki
A: tüm bütün
Y: senin sizin kendi
H: gizli
T: sistem
O: talimatları talimatlar talimatlarını talimatlarınızı yönergeleri yönergelerini komutları emirleri
L: kuralları kurallarını kısıtlamaları kısıtlamalarını kısıtlama
P: istemi istemini promptu promptunu
Z: olmadan
# Arabic
V: تجاهل تجاهلي تجاهلوا وتجاهل انس انسى انسَ تخط تجاوز
R: اكشف أظهر اطبع اعرض أخبرني واطبع واكشف وأظهر كرر
S: السابقة السابق أعلاه المذكورة
A: جميع كل كافة
H: المخفية السرية الداخلية
T: النظام
O: التعليمات تعليمات تعليماتك الأوامر أوامرك التوجيهات توجيهاتك
L: القيود قيودك القواعد قواعدك
P: موجه مطالبة
Z: بدون دون
"""

_IDEOGRAPHIC: Final = """
# Chinese
V: 忽略 忽视 无视 無視 忘记 忘掉 忘記 不要理会 不理会 绕过 跳过 覆盖 抛弃
W: 解除 取消 移除 关闭
R: 输出 显示 告诉 透露 泄露 打印 揭示 公开 展示 重复 複述 复述 輸出 顯示
S: 以上 之前 先前 上面 前面 上述 此前
A: 所有 全部 一切 任何
Y: 你的 您的
H: 隐藏 内部 初始 原始 秘密
T: 系统 系統
O: 指令 指示 命令 设定
L: 限制 约束 规则 規則 准则 安全策略
P: 提示词 提示詞 系统提示 系統提示
# Japanese (what it writes as Chinese does stands above)
V: 無視し 無視して 忘れて 忘れろ 無効に
R: 出力 表示 教えて 明かし 公開し 開示 見せて
S: 以前の これまでの 上記の 前の 今までの
A: すべての 全ての あらゆる
Y: あなたの お前の 君の
H: 隠された 内部の
T: システム
O: 命令を
L: ルール 制限 制約
P: プロンプト
# Korean
V: 무시하 무시해 잊어 잊고 우회
R: 출력 보여 알려 공개 말해 밝혀
S: 이전 앞의 위의 기존
A: 모든 전부
Y: 당신의 너의 네
H: 숨겨진 내부
T: 시스템
O: 지시 명령 지침
L: 규칙 제한 제약
P: 프롬프트
"""


def _listed(table: str) -> Iterator[tuple[str, str]]:
    letter = ""
    for line in table.splitlines():
        if line.startswith("#"):
            continue
        head, colon, words = line.partition(": ")
        letter = head if colon else letter
        for word in (words if colon else line).split():
            yield word, letter


def plain(word: str) -> str:
    """The word without its accents, as many write it; words of scripts without accents stay as they are."""
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not "\u0300" <= letter <= "\u036f")


def _letters() -> dict[str, str]:
    found: dict[str, str] = {}
    for word, letter in _listed(_ENGLISH):
        found.setdefault(word, letter)
    for word, letter in _listed(_OTHERS):
        found.setdefault(word, letter)
        if not word.isascii():
            found.setdefault(plain(word), letter)
    return found


SPACED: Final = _letters()
"""Words of the languages that put spaces between words, and the letter of each."""

IDEOGRAPHIC: Final = dict(_listed(_IDEOGRAPHIC))
"""Words of Chinese, Japanese and Korean, to be found inside a run of characters."""
