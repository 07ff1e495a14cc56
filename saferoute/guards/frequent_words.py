"""Frequent English words, as they look when their letters are turned: read by ROT13, or backwards.

The words are the most frequent ones of running text, and ordinary words of requests; forms that are words themselves (`was`, `saw`) are
left out. Two of them, or a long one, say that a text is turned.
"""

from __future__ import annotations

from typing import Final

__all__ = ["REVERSED", "ROT13", "TURNED"]

_FREQUENT: Final = (
    "the and you that was for are with his they this have from one had word but not what all were when your can said there use "
    "each which she how their will other about out many then them these some her would make like him into time has look two more "
    "write see number way could people than first water been call who its now find long down day did get come made may part over "
    "new sound take only little work know place year live back give most very after thing our just name good sentence man think "
    "say great where help through much before line right too mean old any same tell boy follow came want show also around form "
    "three small set put end does another well large must big even such because turn here why ask went men read need land "
    "different home move try kind hand picture again change off play spell air away animal house point page letter mother answer "
    "found study still learn should between never last let keep start might close next open without every system user message "
    "prompt instruction instructions previous ignore above below reveal print output repeat rules secret password key send email "
    "file data hidden following please list text language model forget disregard everything anything nothing developer admin "
    "safety policy execute command delete provide information request question explain respond response return translate summarize "
    "summary important security private access display content contents conversation configuration credentials allowed guidelines "
    "restrictions unrestricted pretend assistant act role bypass override disable filter filters limits steps detailed describe "
    "tools tool token tokens code run script account address customer database document documents internal group until children "
    "side feet mile night walk white began grow took river four carry state once book hear science room friend idea fish mountain "
    "north base horse watch color face wood main enough plain girl usual young ready ever though feel talk bird soon body family "
    "direct pose leave song measure product black short numeral class wind happen whole king space heard best hour better during "
    "hundred five remember early hold west ground interest reach fast listen travel less morning simple several toward center love "
    "person money serve appear road rain rule govern pull cold notice voice unit power town fine certain fall lead dark machine "
    "note wait plan figure noun field rest correct able done beauty drive stood contain front teach week final gave green quick "
    "develop ocean warm free minute strong special mind behind clear tail produce fact street inch multiply course stay wheel full "
    "force blue object decide surface deep moon island foot busy test record boat common gold possible plane wonder laugh thousand "
    "check game shape equate miss brought heat snow tire bring distant fill east paint among grand ball wave drop heart present "
    "heavy dance engine position wide sail material size vary settle speak weight general matter circle pair include divide felt "
    "perhaps pick sudden count square reason length represent subject region energy hunt probable brother ride cell believe "
    "fraction forest race window store summer train sleep prove lone exercise wall catch mount wish board winter written wild "
    "instrument kept glass grass edge sign visit past soft bright weather month million bear finish happy hope flower clothe "
    "strange gone jump baby eight village meet root raise solve metal whether push seven paragraph third shall held hair cook "
    "floor either result burn hill safe century consider type coast copy phrase silent tall sand soil roll temperature finger "
    "industry value fight beat excite natural view sense else quite broke case middle kill lake moment scale loud spring observe "
    "child straight consonant nation dictionary milk speed method organ section dress cloud surprise quiet stone tiny climb cool "
    "design poor experiment bottom iron single stick flat twenty skin smile crease hole trade melody trip office receive mouth "
    "exact symbol least trouble shout except wrote seed tone join suggest clean break lady yard rise blow blood touch grew cent "
    "team wire cost lost brown wear garden equal sent choose fell flow fair bank collect save control decimal gentle woman captain "
    "practice separate difficult doctor protect noon whose locate ring character insect caught period indicate radio spoke atom "
    "human history effect electric expect crop modern element student corner party supply bone rail imagine agree thus capital "
    "chair danger fruit rich thick soldier process operate guess necessary sharp wing create neighbor wash rather crowd corn "
    "compare poem string bell depend meat tube famous dollar stream fear sight thin triangle planet hurry chief colony clock mine "
    "enter major fresh search yellow allow dead spot desert suit current lift rose continue block chart sell success company "
    "subtract event particular deal swim term opposite wife shoe shoulder spread arrange camp invent cotton born determine quart "
    "nine truck noise level chance gather shop stretch throw shine property column molecule select wrong gray require broad "
    "prepare salt nose plural anger claim continent oxygen sugar death pretty skill women season solution magnet silver thank "
    "branch match suffix especially afraid huge sister steel discuss forward similar guide experience score apple bought pitch "
    "coat mass card band rope slip dream evening condition feed total basic smell valley double seat arrive master track parent "
    "shore division sheet substance favor connect post spend chord glad original share station bread charge proper offer segment "
    "slave duck instant market degree populate chick dear enemy reply drink occur support speech nature range steam motion path "
    "liquid meant quotient teeth shell neck "
)
_WORDS: Final = frozenset(_FREQUENT.split())
# Those that are words when read the other way.
_BACKWARDS: Final = (
    "saw dna ton won tub yam wen yaw era tel ten pot pets pots trap peek emit nam did tes dne eye ward reward den dam nip war evil "
    "devil mad star tac deer dae eno tup sag yob gib ria ffo nur nem hcum tca loop looc room moor door rood time tide edit mood "
    "doom keels sleek part tram mart gulf flog step spot tops stop live parts strap draw liar rail snug guns reed peels deeps "
    "speed peed lived nuts drab yard bard decal leper lever repel regal lager sloop pools stool tools tool loot pins snip spat "
    "taps noon sees seed gums emits smart trams stew wets swap paws flow wolf golf reviled tips spit lap pal gas nat nit tin gel "
    "leg god dog bat tab dab bad but tar rat raw paw drawer stressed desserts lla sti toh net neves ecin elim enin ezis esoh seno "
    "nose amor roma ares sera seas olleh anna "
)
_BY_ROT13: Final = "bar fur ure terra gel ona nag erra sha ehf ral one abir gnat jung clerk cheryl tang pung onyx barf bart envy vex rail "
_TURN: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")

ROT13: Final = frozenset(word.translate(_TURN) for word in _WORDS) - _WORDS - frozenset(_BY_ROT13.split())
"""The words by ROT13."""

REVERSED: Final = frozenset(word[::-1] for word in _WORDS) - _WORDS - frozenset(_BACKWARDS.split())
"""The words backwards."""

_FIRST: Final = 300
_BOTH: Final = ROT13 | REVERSED
_LEADING: Final = frozenset(turned for word in _FREQUENT.split()[:_FIRST] for turned in (word[::-1], word.translate(_TURN))) & _BOTH
TURNED: Final = (
    _BOTH
    | {word + end for word in _BOTH for end in (".", ",")}
    | {word.capitalize() for word in _BOTH}
    | {spelt + end for word in _LEADING for spelt in (word, word.upper()) for end in ("", "!", "?", ":")}
)
"""Both, as they stand in a text between spaces: a first look asks for nothing else."""
