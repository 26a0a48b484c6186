// <textarea data-yaml-editor data-check-url="..." data-complete-url="..." data-problems="id-of-list">: CodeMirror over
// a plain textarea, which stays the form's field. The server judges: POST {text} to check-url answers
// {"problems": [{"line": 3, "column": 5, "end_line": 3, "end_column": 9, "severity": "error", "message": "..."}]};
// POST {text, line, column} to complete-url answers {"options": [{"label", "insert", "detail", "kind", "from", "to"}]}, from and to
// being columns of that line.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentLess, indentMore } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { forceLinting, linter, lintGutter, lintKeymap } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { startWorkshop } from "./editor-workshop.js";

const nonce = document.currentScript?.nonce || "";

const highlight = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], class: "tok-key" },
  { tag: [tags.string, tags.content, tags.literal], class: "tok-string" },
  { tag: tags.comment, class: "tok-comment" },
  { tag: [tags.keyword, tags.meta, tags.typeName, tags.labelName], class: "tok-other" },
]);

async function post(url, body) {
  const token = document.querySelector('meta[name="csrf-token"]')?.content || "";
  const answer = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
    body: JSON.stringify(body),
  });
  return answer.ok ? answer.json() : {};
}

function place(doc, line, column) {
  const at = doc.line(Math.min(Math.max(line || 1, 1), doc.lines));
  return Math.min(at.from + Math.max((column || 1) - 1, 0), at.to);
}

function diagnostics(doc, problems) {
  return problems.map((problem) => {
    const from = place(doc, problem.line, problem.column);
    const end = problem.end_column ? place(doc, problem.end_line || problem.line, problem.end_column) : doc.lineAt(from).to;
    return { from, to: Math.max(end, Math.min(from + 1, doc.length)), severity: problem.severity || "error", message: problem.message };
  });
}

function show(view, list, problems, fixWords) {
  if (!list) return;
  list.hidden = problems.length === 0;
  list.replaceChildren(...problems.map((problem) => {
    const item = document.createElement("li");
    if (problem.severity === "warning") item.className = "is-warning";
    const said = document.createElement("div");
    said.className = "problem-words";
    const jump = document.createElement("button");
    jump.type = "button";
    jump.className = "problem-where";
    jump.textContent = problem.where || `${problem.line}`;
    jump.addEventListener("click", () => {
      view.dispatch({ selection: { anchor: place(view.state.doc, problem.line, problem.column) }, scrollIntoView: true });
      view.focus();
    });
    const words = document.createElement("span");
    words.textContent = problem.message;
    said.append(jump, " ", words);
    if (problem.advice) {
      const advice = document.createElement("span");
      advice.className = "problem-advice";
      advice.textContent = problem.advice;
      said.append(advice);
    }
    item.append(said);
    if (problem.fix) item.append(fixButton(view, problem.fix, fixWords));
    return item;
  }));
}

function fixButton(view, fix, words) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  const text = document.createElement("bdi");
  text.dir = "ltr";
  text.textContent = fix.text;
  button.append(`${words || "Fix"}: `, text);
  button.addEventListener("click", () => {
    const from = place(view.state.doc, fix.line, fix.column), to = place(view.state.doc, fix.end_line, fix.end_column);
    view.dispatch({ changes: { from, to, insert: fix.text }, selection: { anchor: from + fix.text.length }, scrollIntoView: true });
    view.focus();
  });
  return button;
}

function start(area) {
  const box = document.createElement("div");
  box.className = "yaml-editor";
  const list = area.dataset.problems ? document.getElementById(area.dataset.problems) : null;
  const check = linter(async (view) => {
    if (!area.dataset.checkUrl) return [];
    const { problems = [], words } = await post(area.dataset.checkUrl, { text: view.state.doc.toString() });
    show(view, list, problems, area.form?.dataset.wordsFix);
    area.dispatchEvent(new CustomEvent("panel:checked", { bubbles: true, detail: { problems, words } }));
    return diagnostics(view.state.doc, problems);
  }, { delay: 500 });
  const complete = async (context) => {
    if (!area.dataset.completeUrl) return null;
    const line = context.state.doc.lineAt(context.pos);
    const word = context.matchBefore(/[\p{L}\p{N}_-]*/u);
    if (!context.explicit && word.from === word.to) return null;
    const { options = [] } = await post(area.dataset.completeUrl, { text: context.state.doc.toString(), line: line.number, column: context.pos - line.from + 1 });
    if (!options.length || context.aborted) return null;
    const from = line.from + Math.min(...options.map((option) => option.from)) - 1;
    const begin = context.state.sliceDoc(from, context.pos);
    return {
      from,
      filter: false, // the server has chosen already, and it knows Hebrew and Persian letters
      options: options.map((option, index) => ({
        label: option.label,
        apply: begin.slice(0, line.from + option.from - 1 - from) + option.insert,
        detail: option.detail,
        type: { key: "property", verb: "keyword", field: "variable", name: "constant" }[option.kind] || "text",
        boost: -index,
      })),
    };
  };
  const view = new EditorView({
    parent: box,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        nonce ? EditorView.cspNonce.of(nonce) : [],
        lineNumbers(), highlightActiveLineGutter(), foldGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(),
        closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), lintGutter(), check, yaml(), indentUnit.of("  "),
        syntaxHighlighting(highlight), autocompletion({ override: [complete] }), EditorView.perLineTextDirection.of(true), EditorView.lineWrapping,
        EditorState.readOnly.of(area.readOnly),
        EditorView.contentAttributes.of({ "aria-label": area.getAttribute("aria-label") || document.querySelector(`label[for="${area.id}"]`)?.textContent.trim() || "YAML", spellcheck: "false", dir: "ltr", tabindex: "0" }),
        // Tab leaves the editor (no keyboard trap); Ctrl+] and Ctrl+[ indent.
        keymap.of([{ key: "Mod-]", run: indentMore }, { key: "Mod-[", run: indentLess }, ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) { area.value = update.state.doc.toString(); area.dispatchEvent(new Event("input", { bubbles: true })); }
        }),
      ],
    }),
  });
  area.before(box);
  area.hidden = true;
  area.panelEditor = { view, check: () => forceLinting(view), goTo: (line, column) => { view.dispatch({ selection: { anchor: place(view.state.doc, line, column) }, scrollIntoView: true }); view.focus(); } };
}

for (const area of document.querySelectorAll("textarea[data-yaml-editor]")) start(area);
startWorkshop();
