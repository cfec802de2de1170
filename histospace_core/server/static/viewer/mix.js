// The legend of a blended picture.
import { limitsOf } from "./sources.js";
import { shortNumber } from "./units.js";

export function showMix(element, parts, looks) {
  const [discs, ...keys] = [document.createElement("span"), ...parts.map(() => document.createElement("span"))];
  discs.className = "discs";
  discs.setAttribute("role", "img");
  discs.setAttribute("aria-label", `Inks of ${parts.map((part) => part.name).join(", ")}: dark where they overlap`);
  for (const [i, part] of parts.entries()) {
    const disc = document.createElement("i");
    disc.style.background = part.ink;
    discs.append(disc);
    const [low, high] = limitsOf(part, looks).map(shortNumber);
    const ramp = document.createElement("b");
    ramp.style.background = `linear-gradient(to right, #fff, ${part.ink})`;
    keys[i].className = "ink";
    keys[i].append(`${part.name} ${low}`, ramp, high);
  }
  element.replaceChildren(discs, ...keys);
}
