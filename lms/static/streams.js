/* hls.js under the lecture player, loaded where the link is quick enough for it, where a picture was chosen, or where the
   lecture is kept on this phone. `Streams(film, at, all)` plays on from `at`; with `all` it goes on in the MediaSource that the
   boot player of player.js has filled, so nobody sees the change. */
self.Streams = (film, at, all) => {
  'use strict';
  const { video, given, choice } = film, Hls = self.Hls;
  if (!Hls || !Hls.isSupported()) { film.plain(at); return null; }
  const retry = { maxNumRetry: 60, retryDelayMs: 500, maxRetryDelayMs: 4000 };
  const patience = { default: { maxTimeToFirstByteMs: 20000, maxLoadTimeMs: 120000, timeoutRetry: retry, errorRetry: retry } };
  const hls = new Hls({    /* measured at 64 to 400 kb/s: start at the cheapest, never burn 60 MB of a phone's data */
    startPosition: at || -1, autoStartLoad: false,
    startLevel: 0, abrEwmaDefaultEstimate: 60000, testBandwidth: false, startFragPrefetch: true,
    maxBufferLength: 90, maxMaxBufferLength: 600, maxBufferSize: 6e6, abrBandWidthFactor: 0.8, abrBandWidthUpFactor: 0.6,
    fragLoadPolicy: patience, playlistLoadPolicy: patience, manifestLoadPolicy: patience,
    enableWorker: false    /* a worker from a blob is not allowed here */
  });
  const started = () => hls.startLoad(all ? video.currentTime : at || -1);
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    const levels = hls.levels;
    film.levels = levels.map(level => [Math.min(level.height, level.width), Math.round((level.averageBitrate || level.bitrate) * 600 / 8e5) / 10]);
    if (film.offer) film.offer(film.levels);
    if (levels[choice.quality]) { hls.startLevel = choice.quality; hls.loadLevel = choice.quality; }
    if (video.preload === 'none' && video.paused && !all) video.addEventListener('play', started, { once: true });
    else started();
  });
  let mended = false;
  hls.on(Hls.Events.ERROR, (_, problem) => {
    if (!problem.fatal) return;
    if (problem.type === Hls.ErrorTypes.MEDIA_ERROR && !mended) { mended = true; hls.recoverMediaError(); return; }
    film.plain(video.currentTime);
  });
  hls.loadSource(given.hls);
  const playing = !video.paused;
  hls.attachMedia(all || video);
  if (playing) video.play().catch(() => {});    /* another source has stopped it */
  return hls;
};
