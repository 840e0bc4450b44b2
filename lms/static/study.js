/* Beside the film: every [data-seek] goes to its moment, what is said follows and is searched, notes know their moment, and keys.
   Loaded late with the page of a lecture; without it the links open the page at that moment.

   [data-follow]      a list of links with [data-seek]; the present one is marked
   ol[data-stills]    its words stand on a button; pressed, each link gets its picture from video[data-stills], now and next time
   [data-peek]        shows the picture of the moment while the film is still looking for it
   [data-transcript=URL][data-search][data-found]   <details> with [data-cues], or fetches them from URL when it is opened
   form[data-note]    its at_s follows the film; [data-note-time] says so */
(() => {
  'use strict';
  const doc = document, video = doc.querySelector('.video-box video');
  if (!video) return;
  const all = (selector, root) => Array.from((root || doc).querySelectorAll(selector));
  const clock = t => Math.floor(t / 60) + ':' + ('0' + Math.floor(t % 60)).slice(-2);

  function goTo(t) {
    if (video.readyState) video.currentTime = t;
    else video.addEventListener('loadedmetadata', () => { video.currentTime = t; }, { once: true });
    video.play().catch(() => {});
  }
  doc.addEventListener('click', e => {
    const link = e.target.closest('[data-seek]');
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    goTo(Number(link.dataset.seek));
  });

  /* ---- The transcript ---- */
  const said = doc.querySelector('[data-transcript]');
  let fetched = false;
  function searchable() {
    const list = said && said.querySelector('[data-cues]');
    if (!list || said.querySelector('[type=search]')) return;
    const box = doc.createElement('input'), count = doc.createElement('p');
    box.type = 'search';
    box.className = 'input';
    box.placeholder = said.dataset.search;
    box.setAttribute('aria-label', said.dataset.search);
    count.className = 'small muted';
    count.setAttribute('role', 'status');
    box.oninput = () => {
      const wanted = box.value.trim().toLowerCase();
      let found = 0;
      all('li', list).forEach(line => {
        line.hidden = !!wanted && line.textContent.toLowerCase().indexOf(wanted) < 0;
        found += line.hidden ? 0 : 1;
      });
      count.textContent = wanted ? said.dataset.found.replace('%(count)s', found) : '';
    };
    list.classList.add('transcript');
    list.before(box, count);
  }
  if (said) {
    said.addEventListener('toggle', () => {
      if (!said.open) return;
      if (said.querySelector('[data-cues]') || fetched) { searchable(); return; }
      fetched = true;
      fetch(said.dataset.transcript, { credentials: 'same-origin' }).then(reply => {
        if (!reply.ok) throw new Error('status ' + reply.status);
        return reply.text();
      }).then(text => {
        const cues = new DOMParser().parseFromString(text, 'text/html').querySelector('[data-cues]');
        if (!cues) return;
        all('p', said).forEach(old => old.remove());
        said.append(cues);
        searchable();
      }).catch(() => { fetched = false; });
    });
  }

  /* ---- What the film has come to ---- */
  const note = doc.querySelector('form[data-note]'), time = doc.querySelector('[data-note-time]');
  video.addEventListener('timeupdate', () => {
    const now = video.currentTime + 0.05;
    all('[data-follow]').forEach(list => {
      const links = all('[data-seek]', list), here = links.filter(link => Number(link.dataset.seek) <= now).pop();
      links.forEach(link => {
        if (link === here) {
          if (link.hasAttribute('aria-current')) return;
          link.setAttribute('aria-current', 'true');
          const frame = list.closest('details');
          if (frame && frame.open && list.scrollHeight > list.clientHeight) list.scrollTop = link.offsetTop - list.offsetTop - list.clientHeight / 3;
          if (frame && frame.open && list.scrollWidth > list.clientWidth) list.scrollLeft = link.offsetLeft - list.offsetLeft - list.clientWidth / 3;
        } else link.removeAttribute('aria-current');
      });
    });
    if (note && doc.activeElement !== note.elements.text) {
      note.elements.at_s.value = Math.floor(video.currentTime);
      if (time) time.textContent = clock(video.currentTime);
    }
  });

  /* ---- Pictures: a still weighs 1 to 3 KB, and none is loaded before somebody wants it ---- */
  const stills = video.dataset.stills, shown = doc.querySelector('ol[data-stills]'), peek = doc.querySelector('[data-peek]');
  const still = (made, t) => { made.src = stills + Math.floor(t) + '.webp'; return made; };
  function picture() {
    shown.classList.add('seen');
    all('[data-seek]', shown).forEach(link => {
      const made = new Image(96, Math.round(96 * video.height / video.width));
      made.alt = '';    /* the link says the same in words */
      made.loading = 'lazy';
      link.firstElementChild.after(still(made, link.dataset.seek));
    });
  }
  if (stills && shown) {
    let wanted = null;
    try { wanted = localStorage.getItem('stills'); } catch (e) { /* forbidden: asked again next time */ }
    if (wanted && !(navigator.connection || {}).saveData) picture();
    else {
      const button = doc.createElement('button');
      button.type = 'button';
      button.className = 'btn small';
      button.textContent = shown.dataset.stills;
      button.onclick = () => {
        button.remove();
        picture();
        try { localStorage.setItem('stills', '1'); } catch (e) { /* as above */ }
      };
      shown.after(button);
    }
  }
  if (stills && peek) {
    let waiting = 0;
    video.addEventListener('seeking', () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        if (!video.seeking) return;
        const made = still(peek.firstElementChild, video.currentTime);
        made.onload = () => { peek.hidden = !video.seeking; };
        peek.lastElementChild.textContent = clock(video.currentTime);
      }, 200);
    });
    video.addEventListener('seeked', () => { peek.hidden = true; });
  }

  /* ---- Keys, as other players have them; none while somebody types ---- */
  const chapters = () => all('.chapters[data-follow] [data-seek]').map(link => Number(link.dataset.seek));
  const speed = step => { video.playbackRate = Math.min(2, Math.max(0.5, video.playbackRate + step)); };
  const acts = {
    k: () => { if (video.paused) video.play().catch(() => {}); else video.pause(); },
    j: () => { video.currentTime -= 10; },
    l: () => { video.currentTime += 10; },
    ',': () => speed(-0.25),
    '.': () => speed(0.25),
    m: () => { video.muted = !video.muted; },
    c: () => {
      const tracks = Array.from(video.textTracks), on = tracks.some(track => track.mode === 'showing');
      const mine = tracks.filter(track => track.language === doc.documentElement.lang)[0] || tracks[0];
      tracks.forEach(track => { track.mode = !on && track === mine ? 'showing' : 'disabled'; });
    },
    p: () => {
      if (doc.pictureInPictureElement) doc.exitPictureInPicture();
      else if (video.requestPictureInPicture) video.requestPictureInPicture().catch(() => {});
    },
    b: () => { const before = chapters().filter(t => t < video.currentTime - 2).pop(); if (before !== undefined) video.currentTime = before; },
    n: () => { const after = chapters().filter(t => t > video.currentTime + 0.5)[0]; if (after !== undefined) video.currentTime = after; }
  };
  doc.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, [contenteditable], dialog')) return;
    const act = acts[e.key.toLowerCase()];
    if (!act) return;
    e.preventDefault();
    act();
  });
  const keys = doc.querySelector('[data-keys]');
  if (keys && matchMedia('(hover: hover)').matches) keys.hidden = false;

  /* "Ask about this moment": the second at which the film stands goes along with the link. */
  doc.addEventListener('click', event => {
    const link = event.target.closest('[data-ask]');
    if (!link || !video.currentTime) return;
    const there = new URL(link.href);
    there.searchParams.set('t', Math.floor(video.currentTime));
    link.href = there;
  });
})();
