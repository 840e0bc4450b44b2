/* Practice with the controls of a paper: places that are tapped, rows that move, scales (items.js, fetched where a question needs
   it). What is chosen stands in the fields of the form, which goes to the server as it would without this script.

   What the template gives: form[data-more=address of items.js] around the questions; also as a piece, for FireflyPractice(root). */
self.FireflyPractice = root => {
  'use strict';
  const form = root.querySelector('form[data-more]');
  if (!form) return;
  const $$ = (selector, within) => Array.from((within || form).querySelectorAll(selector)), questions = $$('.question');
  const boxes = q => $$('[type=radio], [type=checkbox]', q), nothing = () => {};
  const KINDS = { choice: {}, multiple: {} };
  const settle = (q, field) => { const kind = KINDS[q.dataset.kind]; if (kind && kind.settle) kind.settle(q, field); };
  const begin = () => {
    self.FireflyItems({
      form, KINDS, boxes, typing: new Map(), isOpen: q => !q.disabled, changed: q => settle(q), record: nothing,
      slotOf: q => +q.dataset.slot, inSlot: slot => questions.find(q => +q.dataset.slot === slot)
    });
    $$('.flag-btn').forEach(flag => flag.parentNode.remove());
    $$('[data-live]').forEach(one => { one.hidden = false; });
    $$('[data-plain]').forEach(one => { one.hidden = true; });
    questions.forEach(q => {       /* a locked step shows what it holds */
      if (q.dataset.kind !== 'choice' && q.dataset.kind !== 'multiple') settle(q);
    });
    form.addEventListener('change', e => {
      const q = e.target.closest('.question');
      if (q) settle(q, e.target);
    });
  };
  if (!questions.some(q => q.dataset.kind !== 'choice' && (q.dataset.kind !== 'multiple' || q.dataset.limit))) return;
  if (self.FireflyItems) begin();
  else document.head.append(Object.assign(document.createElement('script'), { src: form.dataset.more, onload: begin }));
};
self.FireflyPractice(document);
