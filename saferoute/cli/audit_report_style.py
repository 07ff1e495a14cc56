"""How the report looks: one accent colour, figures that stand under each other, light, dark and on paper."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root{color-scheme:light dark;--ground:#f7f7f5;--paper:#fff;--ink:#1a1d21;--soft:#565d67;--line:#e2e3e0;--rail:#eceeec;
--accent:#0b6b72;--tint:#a9d2d4;--wash:#e6f1f1;--bad:#a3261c;--bad-wash:#fbeae8;--warn:#7a4a00;--warn-wash:#fbf1df;--shade:#0003}
@media (prefers-color-scheme:dark){:root{--ground:#121519;--paper:#1a1e24;--ink:#e9ebee;--soft:#a4adb9;--line:#2c323a;--rail:#2a3038;
--accent:#5fc3c6;--tint:#27595d;--wash:#17303333;--bad:#ff8d82;--bad-wash:#361d1c;--warn:#f0bc66;--warn-wash:#332710;--shade:#000b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:break-word}
main{max-width:1120px;margin:0 auto;padding:56px 32px 96px}
header p{margin:0}
h1{margin:0 0 6px;font-size:34px;line-height:1.2;letter-spacing:-.02em;font-weight:650;text-wrap:balance}
h2{margin:0 0 6px;font-size:22px;line-height:1.3;letter-spacing:-.01em;font-weight:650}
h3{margin:36px 0 10px;font-size:15px;line-height:1.4;font-weight:650}
p{margin:0 0 12px;max-width:76ch}
.soft,.note,caption,th,dt,summary{color:var(--soft)}
.note{font-size:14px}
section{margin-top:72px}
section>p:first-of-type{margin-bottom:24px}
nav{margin:22px 0 0;font-size:14px;display:flex;flex-wrap:wrap;gap:6px 18px}
nav a{color:var(--accent);text-decoration:none;padding:2px 0}
nav a:hover,nav a:focus-visible{text-decoration:underline}
:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:3px}
.verdict{margin:36px 0 0;padding:28px 32px;background:var(--paper);border:1px solid var(--line);border-left:6px solid var(--accent);
border-radius:10px}
.verdict h2{display:flex;gap:12px;align-items:baseline}
.verdict .mark{color:var(--accent);font-size:20px}
.verdict.broken{border-left-color:var(--bad);background:var(--bad-wash)}
.verdict.broken .mark,.verdict.broken h2{color:var(--bad)}
.verdict h3{margin-top:22px}
.verdict ul{margin:0;padding-left:20px}
.verdict li{margin:0 0 7px;max-width:84ch}
.verdict li:last-child{margin-bottom:0}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:32px 0 0;padding:0;background:var(--line);
border:1px solid var(--line);border-radius:10px;overflow:hidden}
.tiles div{background:var(--paper);padding:20px 24px}
.tiles dt{font-size:13px}
.tiles dd{margin:2px 0 0}
.tiles .figure{font-size:27px;line-height:1.25;font-weight:620;letter-spacing:-.015em}
.tiles .under{font-size:13px;color:var(--soft)}
figure{margin:0 0 14px}
figcaption{margin:0 0 12px;font-weight:600;font-size:15px}
.key{font-weight:400;color:var(--soft);font-size:13px;margin-left:14px;white-space:nowrap}
.swatch{display:inline-block;vertical-align:-1px;width:11px;height:11px;margin-right:5px}
svg{display:block}
figure+.scroll,figure+details,.note{margin-top:14px}
svg.chart{width:100%;height:auto;overflow:visible}
svg.spark{width:120px;height:24px}
svg.share{width:120px;height:8px}
svg text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
svg text.name{fill:var(--ink)}
.bar{fill:var(--accent)}.second{fill:var(--tint)}.rail{fill:var(--rail)}.tint{fill:var(--tint);opacity:.55}
.bad{fill:var(--bad)}.warn{fill:var(--warn)}
.open{fill:var(--paper);stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 3}
.line,.edge{fill:none;stroke:var(--accent);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
.edge{stroke:var(--tint);stroke-width:1.5}
.grid{stroke:var(--line);stroke-width:1}.base{stroke:var(--soft);stroke-width:1}
.hover{fill:transparent}
.scroll{overflow-x:auto;margin:0 -4px;padding:0 4px;scrollbar-width:thin;scrollbar-color:var(--soft) var(--rail);
background:linear-gradient(to right,var(--ground) 40%,transparent) 0 0/44px 100% no-repeat local,
linear-gradient(to left,var(--ground) 40%,transparent) 100% 0/44px 100% no-repeat local,
linear-gradient(to right,var(--shade),transparent) 0 0/14px 100% no-repeat scroll,
linear-gradient(to left,var(--shade),transparent) 100% 0/14px 100% no-repeat scroll}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.45}
caption{text-align:left;font-size:14px;padding:0 0 8px}
th,td{padding:9px 16px 9px 0;text-align:left;vertical-align:middle;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:13px;font-weight:500;vertical-align:bottom;white-space:nowrap}
tbody th{color:var(--ink);font-weight:550;min-width:6em;max-width:300px;overflow-wrap:anywhere}
tbody tr:last-child>*{border-bottom:0}
.number{text-align:right;white-space:nowrap}
.wide{min-width:15em;overflow-wrap:anywhere}
code{font:13px/1.4 ui-monospace,"SF Mono",Menlo,Consolas,monospace;white-space:nowrap}
.wide code,p code,li code{white-space:normal;overflow-wrap:anywhere}
.time{min-width:6.6em}
.state{white-space:nowrap}
.is-bad{color:var(--bad);font-weight:600}.is-warn{color:var(--warn);font-weight:600}
details{margin:4px 0 0;font-size:14px}
summary{cursor:pointer;width:max-content;padding:4px 0}
summary:hover{color:var(--ink)}
details .scroll{margin-top:8px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:0 56px}
.empty{padding:26px 28px;border:1px dashed var(--line);border-radius:10px;color:var(--soft);margin:0;max-width:none}
footer{margin-top:88px;padding-top:24px;border-top:1px solid var(--line);font-size:14px;color:var(--soft)}
footer pre{margin:8px 0 0;overflow-x:auto}
@media (max-width:900px){.tiles{grid-template-columns:repeat(2,1fr)}}
@media (max-width:640px){main{padding:32px 18px 64px}h1{font-size:27px}.verdict{padding:22px 20px}section{margin-top:56px}
.tiles div{padding:16px 18px}
.tiles .figure{font-size:23px}svg.chart{min-width:620px}figure{overflow-x:auto}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{:root{color-scheme:light;--ground:#fff;--paper:#fff;--ink:#000;--soft:#444;--line:#ccc;--rail:#e8e8e8;--accent:#0b6b72;
--tint:#a9d2d4;
--bad:#a3261c;--bad-wash:#fff;--warn:#7a4a00;--warn-wash:#fff}
@page{margin:18mm 16mm}
body{font-size:10.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}nav,details:not(.short):not([open]),summary{display:none}
.tiles{grid-template-columns:repeat(4,1fr)}
section{margin-top:30pt}h2,h3,figcaption,section>p:first-of-type{break-after:avoid}figure,tr,.tiles,.verdict li{break-inside:avoid}
details.short::details-content{content-visibility:visible;block-size:auto}table{font-size:9pt}thead{display:table-header-group}
.scroll{overflow:visible;background:none}}
"""
"""The style sheet; it names no other file."""
