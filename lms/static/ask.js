// "Ask about this moment": the second at which the film stands goes along with the link.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-ask]");
  const film = document.querySelector("video");
  if (!link || !film || !film.currentTime) return;
  const there = new URL(link.href);
  there.searchParams.set("t", Math.floor(film.currentTime));
  link.href = there;
});
