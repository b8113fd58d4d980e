// page_style.cpp - what money pages add to the receipt's style sheet.
#include "economics/page.h"

namespace farthing::money_parts {

const char* const kStyle = R"css(
[hidden]{display:none!important}.moneypage header{overflow-wrap:anywhere}
.moneypage header p{max-width:46em;font-size:17px;color:var(--ink)}
.moneypage main>section,.moneypage main>figure,.moneypage main>details{margin-bottom:16px}
.moneypage .tile b{white-space:normal}.tile b span{font-size:inherit!important;
color:inherit!important}
.prose td,.prose th{text-align:left;white-space:normal;vertical-align:top;overflow-wrap:break-word}
.prose td{min-width:5.5em}.prose p{max-width:48em}.prose ol{margin:0;padding-left:20px;
font-size:14.5px}
.prose code{font-size:12.5px;overflow-wrap:anywhere}
.sliders>div{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:10px 26px}
.sliders label{display:grid;grid-template-columns:1fr auto;font-size:14px;gap:0 10px;
align-items:end;align-content:end}
.sliders label span{color:var(--soft)}.sliders input{grid-column:1/-1;width:100%;margin:2px 0;
accent-color:var(--s0)}
.sliders label.moved output{color:var(--s1);font-weight:600}
.changed{background:color-mix(in srgb,var(--s1) 16%,transparent);border-radius:4px}
figcaption{display:flex;justify-content:space-between;gap:10px;align-items:baseline}
.save{font-size:12.5px;padding:1px 10px;color:var(--soft);white-space:nowrap}
.money svg text{font-size:13px;fill:var(--ink);stroke:var(--card);stroke-width:3px;
stroke-linejoin:round;paint-order:stroke}.money svg text.soft{fill:var(--soft)}
.money .up{fill:var(--s0)}.money .down{fill:var(--c2)}.money .total{fill:var(--c0)}
.money .low{fill:var(--c2)}.money .high{fill:var(--s1)}.money .whisker{stroke:var(--ink);
stroke-width:1.5}
.money .link{stroke:var(--soft);stroke-dasharray:2 3}.money .here{stroke:var(--soft);
stroke-dasharray:4 3}
.money path{fill:none;stroke-width:2.2}.money path.s0{stroke:var(--s0)}
.money path.s1{stroke:var(--s1)}
.money path.s2{stroke:var(--s2)}.money path.s3{stroke:var(--s3)}
.money text.s0{fill:var(--s0)}.money text.s1{fill:var(--s1)}.money text.s2{fill:var(--s2)}
.money text.s3{fill:var(--s3)}
.cite q{font-size:14px}
details.card summary{font-size:17px}details[open] summary{margin-bottom:8px}
@media(max-width:820px){.money svg text{font-size:13px}}
.prose.stacks td:last-child{width:38%}
@media(min-width:721px){.prose td:first-child{min-width:8em}}
@media(max-width:720px){.moneypage h1{font-size:25px}.prose td+td{min-width:9em}
.moneypage th,.moneypage td{padding-left:6px;font-size:12.5px}
.moneypage th,.moneypage td:first-child{white-space:normal}
.moneypage th:first-child,.moneypage td:first-child{padding-left:0}
.stacks thead{display:none}.stacks tr{display:block;border-top:1px solid var(--grid);
padding:8px 0}.stacks tbody tr:first-child{border-top:0;padding-top:0}
.stacks td,.stacks td+td{display:block;text-align:left;width:auto!important;border:0;padding:1px 0;min-width:0}
.stacks td:first-child{font-weight:600}.stacks td:empty,.stacks .out{display:none}
.stacks td[data-h]::before{content:attr(data-h) ": ";color:var(--soft)}}
@media print{:root{--back:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#bbb;--grid:#ddd;
--s0:#2563a8;
--s1:#b4471f;--s2:#1d7a4f;--s3:#8250a8;--c0:#3f7f5f;--c1:#c9a227;--c2:#4f7cac}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.sliders,.save,#cite{display:none!important}body{font-size:12px}
.moneypage header p{font-size:12px;margin-bottom:10px}.moneypage h1{font-size:21px}
.prose p,.prose ol,.cite q{font-size:10.5px}.prose code{font-size:9px}
details.card summary{font-size:12px}
.card,figure{break-inside:avoid-page}
.moneypage header{padding-top:0}.scroll{overflow:visible}.moneypage .prose{break-inside:auto}
tr{break-inside:avoid}h2{break-after:avoid}.money svg text{font-size:11px}}
)css";

}  // namespace farthing::money_parts
