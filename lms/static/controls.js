/* What the lecture player does behind the first picture: the bar under the film (quality in words with MB, speed, picture in
   picture), and the evidence that earlier pages could not send. `Film` is player.js. */
(() => {
  'use strict';
  const film = self.Film, doc = document, bar = doc.querySelector('[data-player]');
  if (!film) return;
  const { video, given, choice, say, store, parse, account, post, show, MINE } = film, KEPT_DAYS = 60;

  /* What earlier pages could not send. Another person's evidence waits until that person is back. */
  function flush() {
    return store.keys().filter(key => key.startsWith('watch:') && key !== MINE).reduce((before, key) => before.then(() => {
      const text = store.get(key), kept = parse(text);
      const days = kept && kept.sent && key.split('.').length < 5 ? 1 : KEPT_DAYS;
      if (!kept || Date.now() - kept.at > days * 864e5) return store.drop(key, text);
      if (kept.sent) return null;
      if (kept.account !== account) return null;
      return post(kept).then(reply => {
        if (reply.acked_seq >= kept.body.seq) store.drop(key, text);
        if (kept.url === given.beat) show(reply);
      }, problem => { if (problem.final) store.drop(key, text); });
    }), Promise.resolve());
  }
  /* The still comes when the link has nothing better to do: a slow one has the film itself to bring. */
  if (given.still && video.readyState < 2) video.poster = given.still;
  addEventListener('online', flush);
  flush();
  if (!bar) return;

  function select(label, options, current, act) {
    const field = doc.createElement('label'), list = doc.createElement('select'), name = doc.createElement('span');
    name.textContent = label;
    options.forEach(([value, text]) => list.append(new Option(text, value, false, String(value) === String(current))));
    list.onchange = () => { act(Number(list.value)); film.keep(); };
    field.append(name, list);
    return list;
  }
  /* [[lines, MB in ten minutes], …] from the cheapest up */
  film.offer = levels => {
    if (film.quality) return;
    const word = i => say(i === 0 ? 'quality_low' : i === levels.length - 1 ? 'quality_high' : 'quality_middle', {});
    const options = levels.map(([lines, mb], i) => [i, say('quality_mb', { name: word(i), lines, mb })]);
    film.quality = select(say('quality', {}), [[-1, say('quality_auto', {})]].concat(options), levels[choice.quality] ? choice.quality : -1, film.choose);
    film.quality.disabled = !!film.listening;
    bar.prepend(film.quality.parentNode);
  };
  const speed = select(say('speed', {}), [0.5, 0.75, 1, 1.25, 1.5, 2].map(rate => [rate, rate + ' ×']), choice.rate || 1, rate => {
    choice.rate = video.defaultPlaybackRate = video.playbackRate = rate;
  });
  bar.prepend(speed.parentNode);
  if (doc.pictureInPictureEnabled) film.button('picture_out', () => { if (doc.pictureInPictureElement) doc.exitPictureInPicture(); else video.requestPictureInPicture().catch(() => {}); });
  if (film.levels) film.offer(film.levels);
  bar.hidden = false;
})();
