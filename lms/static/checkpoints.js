/* Questions in a lecture. When the film reaches one that has no answer, it pauses and the question opens under it; after the
   reason, "Go on watching". Without this script the links of the page lead to the same questions.

   What the template gives: a[data-at=SECOND][data-answered]  the links;  #checkpoint[data-go-on=WORDS]  empty, hidden. */
(() => {
  'use strict';
  const doc = document, video = doc.querySelector('video[data-beat]'), box = doc.getElementById('checkpoint');
  if (!video || !box) return;
  const open = Array.from(doc.querySelectorAll('a[data-at]:not([data-answered])'))
    .map(link => ({ link, at: Number(link.dataset.at) }));
  let last = video.currentTime, busy = false;

  function goOn() {
    box.hidden = true;
    box.textContent = '';
    busy = false;
    video.play();
  }
  function show(html) {
    box.innerHTML = html;
    const button = doc.createElement('button');
    button.type = 'button';
    button.className = 'btn';
    button.textContent = box.dataset.goOn;
    button.addEventListener('click', goOn);
    box.appendChild(button);
    box.hidden = false;
    const form = box.querySelector('form');
    if (self.FireflyPractice) self.FireflyPractice(box);
    if (form) form.addEventListener('submit', event => {
      const fields = new FormData(form), { submitter } = event;
      event.preventDefault();
      if (submitter && submitter.name) fields.append(submitter.name, submitter.value);
      load(form.action, { method: 'POST', body: fields }, () => form.submit());
    });
    box.focus();
  }
  /* What the server answers is a piece of a page; where it cannot be had, the ordinary page is opened. */
  function load(url, more, otherwise) {
    fetch(url, Object.assign({ credentials: 'same-origin', headers: { 'X-Requested-With': 'lms' } }, more))
      .then(reply => {
        if (!reply.ok && reply.status !== 422) throw new Error('status ' + reply.status);
        return reply.text();
      }).then(show).catch(otherwise);
  }
  video.addEventListener('timeupdate', () => {
    const now = video.currentTime, before = last;
    last = now;
    if (busy || video.seeking || now < before || now - before > 5) return;
    const due = open.find(one => !one.done && one.at > before - 0.01 && one.at <= now);
    if (!due) return;
    due.done = busy = true;
    video.pause();
    load(due.link.href, {}, () => { busy = false; due.link.focus(); });
  });
})();
