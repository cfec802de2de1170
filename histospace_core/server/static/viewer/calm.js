// OpenSeadragon redraws every panel in every frame, even if nothing moves. While nobody uses the
// map, it is slowed down, so that an open map does not heat a laptop.
const AWAKE = 1500; // ms after the last event; animations are shorter
const NOW_AND_THEN = 80; // ms
const SIGNS = ["pointermove", "pointerdown", "wheel", "keydown", "touchmove"];

let until = 0;

// Something happened: redraw every frame again.
export function wake() {
  until = performance.now() + AWAKE;
}

export function calm(library) {
  const { requestAnimationFrame, cancelAnimationFrame } = library;
  library.requestAnimationFrame = (look) => {
    const request = {};
    const soon = () => (request.frame = requestAnimationFrame(look));
    if (performance.now() < until) soon();
    else request.timer = setTimeout(soon, NOW_AND_THEN);
    return request;
  };
  library.cancelAnimationFrame = ({ timer, frame }) => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  };
  for (const sign of SIGNS) window.addEventListener(sign, wake, { capture: true, passive: true });
  wake();
  return library;
}
