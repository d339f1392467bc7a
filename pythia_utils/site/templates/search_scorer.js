/* How the book's search orders what it finds: Sphinx's own scores, the page of the model that was asked for first,
   chapters before other pages, the glossary after them (each of its words is worth a hundred points to Sphinx), lists of
   runs last. */
var Scorer = {
  score: ([docname, title, anchor, description, score]) => {
    const asked = new URLSearchParams(window.location.search).get("q") ?? "";
    const model = asked.trim().toLowerCase().replace("eleutherai/", "");
    if (docname === `models/${model}`) return score + 500;
    if (docname.startsWith("experiments/")) return score + 50;
    if (docname.startsWith("pages/")) return score + 20;
    if (docname === "glossary") return score / 4;
    return ["runs", "status", "genindex"].includes(docname) ? score - 100 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
