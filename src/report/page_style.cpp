// page_style.cpp - the page's style sheet: two colour schemes, one layout that folds.
#include "report/page.h"

namespace farthing::page_parts {

const char* const kStyle = R"css(
:root{--back:#f7f5f0;--card:#fff;--ink:#22262b;--soft:#5d646d;--rule:#dcd8cf;--grid:#e9e5dc;
--s0:#2563a8;--s1:#b4471f;--s2:#1d7a4f;--s3:#8250a8;--accent:#8a5a12;
--c0:#3f7f5f;--c1:#c9a227;--c2:#4f7cac;--c3:#8f6bb3;--c4:#a8a296;--c5:#d1783f;--c6:#b23a48;
--h0:#f3efe4;--h1:#e6e0c4;--h2:#d2d6a8;--h3:#b3cb96;--h4:#8dbb8b;--h5:#66a886;--h6:#459283;
--h7:#2f7a7c;--h8:#23606f;--h9:#1b465c}
@media(prefers-color-scheme:dark){:root{--back:#15181c;--card:#1d2126;--ink:#e8e6e1;--soft:#a2a9b1;
--rule:#363c44;--grid:#2b3037;--s0:#6fb1f2;--s1:#ff9a6b;--s2:#63d29a;--s3:#c79bee;--accent:#e0b15c;
--c0:#5aa881;--c1:#dfbd4a;--c2:#75a3d6;--c3:#b292d6;--c4:#8b8a86;--c5:#ea9a63;--c6:#e0646f;
--h0:#20262b;--h1:#21323a;--h2:#234148;--h3:#275257;--h4:#2e6663;--h5:#3b7c6c;--h6:#549475;
--h7:#7bab7f;--h8:#aac48f;--h9:#e0dca8}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
header,main,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:36px}h1{margin:0;font-size:30px;letter-spacing:-.01em;overflow-wrap:anywhere}
header p{margin:4px 0 22px;color:var(--soft)}
.state{display:inline-block;border:1px solid var(--rule);border-radius:99px;padding:0 10px;
margin-left:6px;color:var(--ink)}
h2{margin:0 0 12px;font-size:17px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));gap:12px;
margin-bottom:16px}
.tile,.card,figure{background:var(--card);border:1px solid var(--rule);border-radius:10px}
.tile{padding:14px 16px}.tile b{display:block;font-size:21px;line-height:1.3;overflow-wrap:anywhere}
.tile span{color:var(--soft);font-size:13.5px}
.pair{display:grid;grid-template-columns:minmax(0,1.15fr) minmax(0,1fr);gap:16px;
align-items:start}
.pair+.card,.card+.card{margin-top:16px}.pair>.card{margin-top:0}
.card{padding:18px 20px}.card p{margin:10px 0 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14.5px}
th{font-weight:600;color:var(--soft);text-align:right}td{text-align:right}
th:first-child,td:first-child,.words{text-align:left}
th,td{padding:4px 0 4px 14px;border-top:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{padding-left:0}tr:first-child th{border-top:0}
.pair tr:last-child td{font-weight:600;border-top:1.5px solid var(--soft)}
.bar{display:block;width:100%;height:26px;border-radius:5px}
.legend{display:flex;flex-wrap:wrap;align-items:center;gap:4px 16px;margin:8px 0 10px!important;
color:var(--soft);font-size:13.5px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px}
.legend i.line,.legend i.faint{height:3px;width:16px;vertical-align:middle}
.legend i.dots{border-radius:50%}
.legend .scale{display:inline-flex}.legend .scale i{width:15px;margin:0;border-radius:0}
.paper{font-family:ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace;font-size:13.5px}
.paper h2{text-align:center;text-transform:uppercase;letter-spacing:.22em;font-size:14px;
border-bottom:1px dashed var(--soft);padding-bottom:10px}
dl{margin:0}dl div{display:flex;align-items:baseline;gap:8px;padding:1.5px 0}
dt{color:var(--soft);white-space:nowrap}
dd{margin:0;text-align:right;overflow-wrap:anywhere;flex:1}
dl .total{margin-top:8px;padding-top:8px;border-top:1px dashed var(--soft);font-weight:700;
font-size:17px}.total dt{color:var(--ink)}
.fine{font-size:12px;line-height:1.5;color:var(--soft);overflow-wrap:anywhere}
nav{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;align-items:center;gap:6px;
background:var(--back);padding:14px 0 12px;margin-top:10px}
nav span{color:var(--soft);margin-right:4px}nav small{margin-left:auto}
small{color:var(--soft);font-size:13px;font-weight:400}
button{font:inherit;font-size:14.5px;color:var(--ink);background:var(--card);
border:1px solid var(--rule);border-radius:99px;padding:3px 14px;cursor:pointer}
button[aria-pressed=true]{background:var(--ink);color:var(--back);border-color:var(--ink)}
button:focus-visible{outline:2px solid var(--s0);outline-offset:2px}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px;margin-bottom:16px}
.charts .wide{grid-column:1/-1}
figure{margin:0;padding:14px 16px 8px;min-width:0}
figcaption{font-weight:600;margin-bottom:4px}
figure svg{display:block;width:100%;height:auto;touch-action:pan-y;user-select:none}
figure text{fill:var(--soft);font-size:14px}
.wide svg text{font-size:8.5px}
#bits .lines circle{fill:var(--s0)}
.grid{stroke:var(--grid)}.cursor{stroke:var(--soft);stroke-dasharray:3 3}
.zoom{fill:var(--s0);opacity:.14}
.lines path{fill:none;stroke-width:2;stroke-linejoin:round}
.wide .lines path{stroke-width:1.5}.lines path.faint{stroke-width:1;opacity:.5}
.lines path.s0{stroke:var(--s0)}.lines path.s1{stroke:var(--s1)}.lines path.s2{stroke:var(--s2)}
.lines path.s3{stroke:var(--s3)}.lines circle{stroke:var(--card);stroke-width:1.5}
circle.s0,i.s0{fill:var(--s0);background:var(--s0)}circle.s1,i.s1{fill:var(--s1);
background:var(--s1)}
circle.s2,i.s2{fill:var(--s2);background:var(--s2)}circle.s3,i.s3{fill:var(--s3);
background:var(--s3)}
i.faint{opacity:.55}
.c0{fill:var(--c0);background:var(--c0)}.c1{fill:var(--c1);background:var(--c1)}
.c2{fill:var(--c2);background:var(--c2)}.c3{fill:var(--c3);background:var(--c3)}
.c4{fill:var(--c4);background:var(--c4)}.c5{fill:var(--c5);background:var(--c5)}
.c6{fill:var(--c6);background:var(--c6)}
.h0{fill:var(--h0);background:var(--h0)}.h1{fill:var(--h1);background:var(--h1)}
.h2{fill:var(--h2);background:var(--h2)}.h3{fill:var(--h3);background:var(--h3)}
.h4{fill:var(--h4);background:var(--h4)}.h5{fill:var(--h5);background:var(--h5)}
.h6{fill:var(--h6);background:var(--h6)}.h7{fill:var(--h7);background:var(--h7)}
.h8{fill:var(--h8);background:var(--h8)}.h9{fill:var(--h9);background:var(--h9)}
.notes{margin-bottom:16px}.notes td{text-align:left;white-space:normal;overflow-wrap:anywhere;
vertical-align:top}.notes th{text-align:left}.notes td:nth-child(2){white-space:nowrap}
summary{cursor:pointer;padding:4px 0;font-weight:600}
#tip{position:fixed;z-index:3;pointer-events:none;background:var(--ink);color:var(--back);
font-size:13px;line-height:1.45;padding:6px 10px;border-radius:7px;white-space:pre;
box-shadow:0 2px 10px #0004}
footer{color:var(--soft);font-size:13px;padding-top:10px;padding-bottom:30px;text-align:center}
@media screen and (max-width:820px){.pair,.charts{grid-template-columns:minmax(0,1fr)}
figure text,.wide svg text{font-size:18px}nav small{display:none}
header,main,footer{padding-left:14px;padding-right:14px}.card{padding:16px}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}.tile b{font-size:20px}
th:first-child,td:first-child{white-space:normal}
.wide .lines path,.lines path{stroke-width:2.5}.lines path.faint{stroke-width:1.4}}

@media screen and (max-width:480px){nav span,.pair th:nth-child(3),
.pair td:nth-child(3){display:none}
th,td{padding-left:8px;font-size:13px}}
@media print{:root{--back:#fff}body{font-size:11px}nav{display:none}header{padding-top:0}
header,main,footer{max-width:none;padding:0}h1{font-size:20px}h2,figcaption{font-size:12px}
.tiles{grid-template-columns:repeat(6,minmax(0,1fr));gap:6px;margin-bottom:8px}
.tile{padding:6px 8px}
.tile b{font-size:12px}.tile span,small,.legend,table,.paper,footer{font-size:9.5px!important}
.fine{font-size:8px}.pair,.charts{gap:8px;margin-bottom:8px}.card,figure{padding:8px 10px}
.paper h2{font-size:11px}dl .total{font-size:12px}figure,.card,.tile{break-inside:avoid}}
)css";

}  // namespace farthing::page_parts
