/** Every colour pair has a contrast of at least 4.5 to 1, in the light and in the dark; a test measures it. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #16202c; --quiet: #526070; --line: #d3d9e0;
  --good: #17693a; --good-back: #e3f4e9; --warn: #7a4b00; --warn-back: #fdf0d5;
  --bad: #a3161f; --bad-back: #fde7e8; --accent: #1a56b0; --on-accent: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151b; --card: #1a212a; --text: #e6ebf1; --quiet: #9fadbd; --line: #323d4a;
    --good: #7fd8a0; --good-back: #163423; --warn: #f2c265; --warn-back: #3a2c0c;
    --bad: #ff9b9b; --bad-back: #451a1d; --accent: #8ab8ff; --on-accent: #0c1a30;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 66rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .75rem 0; }
header h1 { margin: 0 auto 0 0; font-size: 1.1rem; }
header p { margin: 0; }
h2 { margin: 0 0 .5rem; font-size: 1.15rem; }
h3 { margin: 0 0 .25rem; font-size: 1.05rem; }
p { margin: .25rem 0; }
small, .quiet, figcaption, dt, footer { color: var(--quiet); font-weight: normal; }
section { margin: 0 0 1.75rem; }
section:empty { display: none; }
code { font: .9em "DejaVu Sans Mono", ui-monospace, monospace; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; padding: .5rem; background: var(--card); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
html:not(.scripted) .needs-script { display: none; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
main:focus { outline: none; }

.headline { padding: 1rem 1.25rem; border-left: .5rem solid var(--quiet); border-radius: .4rem; background: var(--card); }
.headline h2 { font-size: 1.5rem; line-height: 1.3; }
.headline.good { border-color: var(--good); background: var(--good-back); }
.headline.warn { border-color: var(--warn); background: var(--warn-back); }
.headline.bad { border-color: var(--bad); background: var(--bad-back); }
.headline.good .badge, .headline.warn .badge, .headline.bad .badge { background: var(--card); }
.badge { display: inline-block; padding: 0 .5em; border-radius: 1em; border: 1px solid currentColor; color: var(--quiet);
  font-size: .85rem; font-weight: 600; line-height: 1.5; }
.badge.good { color: var(--good); background: var(--good-back); }
.badge.warn { color: var(--warn); background: var(--warn-back); }
.badge.bad { color: var(--bad); background: var(--bad-back); }
.problems { margin: 0; padding: 0; list-style: none; }
.problems li { margin: 0 0 .5rem; padding: .5rem 1rem; border-left: .3rem solid var(--warn); background: var(--card); }
.note { padding: .5rem .75rem; border: 1px dashed var(--quiet); border-radius: .4rem; }
/* What was true some time ago must not look as if it were now. */
.stale main { filter: grayscale(1); }
.stale .headline .badge { display: none; }
#connection.lost { position: fixed; z-index: 1; inset: auto 0 0; padding: .75rem 1rem; border-top: .3rem solid var(--bad);
  background: var(--bad-back); color: var(--bad); font-weight: 600; text-align: center; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.card { padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--card); }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem 1rem; margin: .5rem 0 0; }
dd { margin: 0; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; background: var(--card); }
th, td { padding: .35rem .6rem; overflow-wrap: normal; white-space: nowrap; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 600; }
figure { margin: 1rem 0 0; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--card); }
svg { display: block; width: 100%; height: 5rem; overflow: visible; }
svg path { fill: none; stroke: var(--line); vector-effect: non-scaling-stroke; }
svg .bar { stroke: var(--accent); stroke-width: 7; }
svg .bar.gone { stroke-width: 2; }
svg .line { stroke: var(--accent); stroke-width: 2; }
.axis { display: flex; justify-content: space-between; }
svg .limit { stroke: var(--bad); stroke-width: 2; stroke-dasharray: 6 4; }

.steps { margin: .5rem 0; padding: 0; list-style: none; }
.steps li { padding: .15rem .75rem; border-left: .25rem solid var(--line); }
.steps li.running { border-color: var(--accent); background: var(--card); }
.steps li.done { border-color: var(--good); }
.steps li.failed { border-color: var(--bad); }
.steps .detail { color: var(--quiet); font-size: .9rem; }
@media (prefers-reduced-motion: no-preference) {
  .steps li.running > span:first-child { display: inline-block; animation: breathe 1.6s ease-in-out infinite; }
  @keyframes breathe { 50% { opacity: .25; } }
}
.loss { font-size: 1.15rem; font-weight: 600; }
progress { width: 12rem; max-width: 100%; accent-color: var(--accent); vertical-align: middle; }
.timeline { margin: 0; padding: 0 0 0 .5rem; list-style: none; }
.timeline > li { padding: 0 0 .75rem 1rem; border-left: 2px solid var(--line); }
.timeline > li.bad { border-color: var(--bad); }
.timeline > li.warn { border-color: var(--warn); }
.timeline > li.good { border-color: var(--good); }
a { color: var(--accent); }
summary { cursor: pointer; color: var(--accent); padding: .2rem 0; }

.buttons { display: flex; flex-wrap: wrap; gap: .6rem; margin: .5rem 0; }
button { min-height: 2.75rem; padding: .4rem 1rem; border: 1px solid var(--accent); border-radius: .4rem;
  background: var(--card); color: var(--accent); font: inherit; font-weight: 600; cursor: pointer; }
button[type=submit] { background: var(--accent); color: var(--on-accent); }
button:disabled { border-color: var(--line); background: var(--page); color: var(--quiet); cursor: not-allowed; }
dialog { width: min(36rem, calc(100vw - 2rem)); max-height: calc(100dvh - 2rem); overflow-y: auto; padding: 1.25rem;
  border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: var(--text); }
dialog::backdrop { background: rgb(0 0 0 / 55%); }
label { display: block; margin: .75rem 0; }
label.check { display: flex; gap: .6rem; align-items: baseline; }
label[hidden] { display: none; }
input:not([type=checkbox]) { display: block; width: 100%; min-height: 2.75rem; padding: .4rem .6rem; border: 1px solid var(--quiet);
  border-radius: .4rem; background: var(--page); color: var(--text); font: inherit; }
.error:not(:empty) { padding: .5rem .75rem; border-left: .3rem solid var(--bad); background: var(--bad-back); color: var(--bad); }
.dry-run:not(:empty) { margin: .75rem 0; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--page); }
`;
