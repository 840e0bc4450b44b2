/* The editor of captions: the text as rows beside the film, timed by keys. The text stays what is sent; without this script it
   is edited as it is.

     <textarea name="text">   WebVTT
     [data-cue-editor][data-words]   hidden: filled with the rows;  [data-cue-keys]   hidden: shown with them
     [data-sound=URL][data-window][data-length]   hidden: the drawn sound around the moment, with the captions laid over it
     [data-sound-whole]   that of the whole film;  [data-sound-time], [data-sound-help]   shown with them */
(() => {
  'use strict';
  const doc = document, text = doc.querySelector('textarea[name=text]'), place = doc.querySelector('[data-cue-editor]'), video = doc.querySelector('video');
  if (!text || !place || !video) return;
  const words = JSON.parse(place.dataset.words), field = text.closest('.field');
  const clock = t => {
    const ms = Math.max(0, Math.round(t * 1000)), two = n => ('0' + n).slice(-2);
    return (ms < 36e5 ? '' : two(Math.floor(ms / 36e5)) + ':') + two(Math.floor(ms / 6e4) % 60) + ':' + two(Math.floor(ms / 1000) % 60) + '.' + ('00' + ms % 1000).slice(-3);
  };
  const seconds = value => {
    const found = /^(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d{1,3})?)$/.exec(value.trim());
    return found ? (+found[1] || 0) * 3600 + +found[2] * 60 + +found[3].replace(',', '.') : NaN;
  };
  const button = (name, act) => {
    const made = doc.createElement('button');
    made.type = 'button';
    made.className = 'btn small';
    made.textContent = name;
    made.onclick = act;
    return made;
  };
  const rows = doc.createElement('ol'), tools = doc.createElement('p');
  rows.className = 'list rows';
  tools.className = 'btns';
  let present = null, asRows = false;

  function input(name, value, kind) {
    const made = doc.createElement(kind === 'words' ? 'textarea' : 'input');
    made.className = 'input' + (kind === 'words' ? '' : ' grow num');
    made.value = value;
    made.dataset.part = kind;
    made.setAttribute('aria-label', name);
    if (kind === 'words') { made.rows = 2; made.lang = text.lang; }
    return made;
  }
  function remover(line) {
    const made = button('×', () => line.remove());
    made.setAttribute('aria-label', words.remove);
    return made;
  }
  function row(cue) {
    const line = doc.createElement('li');
    const times = doc.createElement('div');
    line.className = 'stack tight';
    times.className = 'row';
    times.append(input(words.begin, clock(cue.start), 'start'), input(words.end, clock(cue.end), 'end'), remover(line));
    line.append(times, input(words.words, cue.text, 'words'));
    line.addEventListener('focusin', () => { present = line; });
    return line;
  }
  const part = (line, name) => line.querySelector('[data-part=' + name + ']');

  function read() {
    const lines = text.value.split(/\r\n|\n|\r/), cues = [];
    for (let i = 0; i < lines.length; i++) {
      const span = lines[i].split('-->');
      if (span.length !== 2) continue;
      const start = seconds(span[0]), end = seconds(span[1].trim().split(/\s/)[0]), said = [];
      if (isNaN(start) || isNaN(end)) return null;
      while (i + 1 < lines.length && lines[i + 1].trim()) said.push(lines[++i]);
      cues.push({ start, end, text: said.join('\n') });
    }
    return cues;
  }
  function write() {
    if (!asRows) return;
    const cues = Array.from(rows.children).map(line => ({ start: part(line, 'start').value, end: part(line, 'end').value, at: seconds(part(line, 'start').value), text: part(line, 'words').value.split('\n').filter(one => one.trim()).join('\n') }));
    cues.sort((a, b) => a.at - b.at);
    text.value = 'WEBVTT\n\n' + cues.filter(cue => cue.text).map(cue => cue.start.trim() + ' --> ' + cue.end.trim() + '\n' + cue.text + '\n').join('\n');
  }
  function show(wanted) {
    const cues = wanted ? read() : null;
    if (wanted && !cues) { tools.append(words.bad); return; }
    write();
    asRows = wanted;
    field.hidden = asRows;
    rows.textContent = '';
    if (cues) cues.forEach(cue => rows.append(row(cue)));
    rows.hidden = !asRows;
    tools.textContent = '';
    if (asRows) tools.append(button(words.add, add));
    tools.append(button(asRows ? words.text : words.rows, () => show(!asRows)));
  }
  function add() {
    const at = video.currentTime, made = row({ start: at, end: at + 3, text: '' });
    const after = Array.from(rows.children).filter(line => seconds(part(line, 'start').value) > at)[0];
    rows.insertBefore(made, after || null);
    part(made, 'words').focus();
  }
  function set(name) {
    if (!present) return;
    part(present, name).value = clock(video.currentTime);
    if (name !== 'end') return;
    const next = present.nextElementSibling;
    if (!next) { add(); return; }
    part(next, 'start').value = clock(video.currentTime);
    part(next, 'words').focus();
  }
  const acts = {
    KeyK: () => { if (video.paused) video.play().catch(() => {}); else video.pause(); },
    KeyJ: () => { video.currentTime -= 2; },
    KeyL: () => { video.currentTime += 2; },
    KeyB: () => set('start'),
    KeyE: () => set('end'),
    KeyN: add
  };
  doc.addEventListener('keydown', e => {
    if (!asRows || !e.altKey || e.ctrlKey || e.metaKey || !acts[e.code]) return;
    e.preventDefault();
    acts[e.code]();
  });
  video.addEventListener('timeupdate', () => Array.from(rows.children).forEach(line => {
    const now = video.currentTime, here = seconds(part(line, 'start').value) <= now && now < seconds(part(line, 'end').value);
    if (here) line.setAttribute('aria-current', 'true'); else line.removeAttribute('aria-current');
  }));
  /* ---- The sound: drawn by the server in windows, captions and the moment laid over it here ---- */
  const near = doc.querySelector('[data-sound]'), whole = doc.querySelector('[data-sound-whole]');
  if (near && whole) {
    const span = +near.dataset.window, length = +near.dataset.length, time = doc.querySelector('[data-sound-time]'), kept = {};
    let begin = -1;
    const layer = place => {
      const made = doc.createElementNS('http://www.w3.org/2000/svg', 'svg');
      made.setAttribute('preserveAspectRatio', 'none');
      made.setAttribute('aria-hidden', 'true');
      place.append(made);
      return made;
    };
    const over = layer(near), overWhole = layer(whole);
    over.setAttribute('viewBox', '0 0 ' + span + ' 32');
    overWhole.setAttribute('viewBox', '0 0 ' + length + ' 32');
    const box = (svg, name, x, width) => {
      const made = doc.createElementNS(svg.namespaceURI, 'rect');
      Object.entries({ class: name, x, width: Math.max(0, width), y: 0, height: 32 }).forEach(([key, value]) => made.setAttribute(key, value));
      svg.append(made);
    };
    const lay = () => {
      over.textContent = overWhole.textContent = '';
      Array.from(rows.children).forEach(line => {
        const from = Math.max(seconds(part(line, 'start').value), begin), to = Math.min(seconds(part(line, 'end').value), begin + span);
        if (to > from) box(over, 'cue', from - begin + 0.02, to - from - 0.04);
      });
      box(over, 'now', video.currentTime - begin, span / 400);
      box(overWhole, 'now', video.currentTime, length / 200);
    };
    const turn = () => {
      const wanted = Math.min(Math.floor(video.currentTime / span), Math.floor((length - 0.01) / span)) * span;
      if (wanted !== begin) {
        begin = wanted;
        time.textContent = clock(begin) + ' – ' + clock(begin + span);
        kept[begin] = kept[begin] || fetch(near.dataset.sound + '?from=' + begin, { credentials: 'same-origin' }).then(reply => reply.text());
        kept[begin].then(drawn => {
          if (begin !== wanted) return;
          const old = near.querySelector('[data-drawn]'), made = doc.importNode(new DOMParser().parseFromString(drawn, 'image/svg+xml').documentElement, true);
          if (old) old.remove();
          made.dataset.drawn = '';
          if (made.localName === 'svg') near.prepend(made);
        }, () => { delete kept[wanted]; });
      }
      lay();
    };
    const press = (place, start, wide) => place.addEventListener('click', e => {
      const frame = place.getBoundingClientRect();
      video.currentTime = Math.min(length, start() + (e.clientX - frame.left) / frame.width * wide);
    });
    press(near, () => begin, span);
    press(whole, () => 0, length);
    ['timeupdate', 'seeking', 'loadedmetadata'].forEach(name => video.addEventListener(name, turn));
    const smooth = () => { if (!video.paused) { turn(); requestAnimationFrame(smooth); } };
    video.addEventListener('play', smooth);
    place.addEventListener('input', lay);
    place.addEventListener('click', lay);
    [near, time, doc.querySelector('[data-sound-help]')].forEach(one => { one.hidden = false; });
    turn();
  }
  text.form.addEventListener('submit', write);
  place.append(rows, tools);
  place.hidden = false;
  doc.querySelector('[data-cue-keys]').hidden = false;
  show(true);
})();
