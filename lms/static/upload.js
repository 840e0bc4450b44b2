/* Sends a film in pieces by tus 1.0, so that a broken line, a closed browser or another day loses nothing. Loaded on the desk
   of a lecture; tus-js-client comes only when a file is sent. Without this script the form carries the file as it is.

   What the template gives:
     <form data-upload=URL data-tus=URL data-words='{…}'> <input type="file" name="video"> <input name="upload"> … </form>
     [data-upload-state]   hidden, in the form: filled with a bar, words and the button that pauses and goes on
     [data-unfinished=URL][data-name][data-size][data-modified]   what this person has sent half before */
(() => {
  'use strict';
  const form = document.querySelector('form[data-upload]');
  if (!form || !self.fetch) return;
  const given = form.dataset, words = JSON.parse(given.words), file = form.elements.video, place = form.querySelector('[data-upload-state]');
  const say = (key, values) => words[key].replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const mb = bytes => (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
  let upload = null, paused = false;

  const bar = document.createElement('progress'), line = document.createElement('p'), button = document.createElement('button');
  line.setAttribute('role', 'status');
  line.className = 'small num';
  button.type = 'button';
  button.className = 'btn small';
  bar.setAttribute('aria-label', words.bar);

  function library() {
    return self.tus ? Promise.resolve() : new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = given.tus;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    });
  }
  function tell(key, values, action) {
    line.textContent = say(key, values || {});
    button.textContent = words[action];
    button.hidden = !action;
  }
  function moved(sent, total) {
    bar.max = total;
    bar.value = sent;
    if (!paused) tell('sending', { done: mb(sent), total: mb(total), percent: Math.floor(sent / total * 100) }, 'pause');
  }
  function known(film) {
    const same = [...document.querySelectorAll('[data-unfinished]')].filter(one => one.dataset.name === film.name.slice(-160) &&
      Number(one.dataset.size) === film.size && Number(one.dataset.modified) === film.lastModified)[0];
    return same ? same.dataset.unfinished : null;
  }
  function failed(problem) {
    const answer = problem.originalResponse, status = answer ? answer.getStatus() : 0;
    let reason = '';
    try { reason = JSON.parse(answer.getBody()).detail || ''; } catch (e) { /* a proxy speaks no JSON */ }
    paused = true;
    if (status === 401) tell('sign_in', {}, 'go_on');
    else if (status >= 400 && status < 600 && reason) tell('refused', { reason }, '');
    else tell('broken', {}, 'go_on');
  }
  function start(film) {
    const before = known(film);
    upload = new self.tus.Upload(film, {
      endpoint: given.upload,
      uploadUrl: before,
      chunkSize: Math.min(8 << 20, Math.max(1 << 20, Math.ceil(film.size / 256))),    /* a proxy that collects loses at most one piece */
      retryDelays: [0, 1000, 2000, 4000, 8000, 15000, 30000, 60000],
      storeFingerprintForResuming: false,    /* the server knows what it has, for every device of this person */
      headers: { Accept: 'application/json', 'X-Account': document.documentElement.dataset.account || '' },
      metadata: { filename: film.name.slice(-160), modified: String(film.lastModified) },
      onProgress: moved,
      onError: failed,
      onSuccess() {
        tell('whole', {}, '');
        form.elements.upload.value = upload.url.split('/').pop();
        file.disabled = true;
        form.submit();
      }
    });
    place.hidden = false;
    place.append(bar, line, button);
    moved(0, film.size);
    if (before) tell('found', {}, 'pause');
    upload.start();
  }
  function goOn() {
    paused = false;
    tell('connecting', {}, 'pause');
    upload.start();
  }
  button.onclick = () => {
    if (paused) { goOn(); return; }
    paused = true;
    upload.abort();
    tell('paused', {}, 'go_on');
  };
  addEventListener('online', () => { if (upload && paused && button.textContent === words.go_on && line.textContent === words.broken) goOn(); });

  form.addEventListener('submit', e => {
    const film = file.files && file.files[0];
    if (!film || form.elements.upload.value) return;
    e.preventDefault();
    if (upload) return;
    library().then(() => start(film), () => form.submit());
  });
})();
