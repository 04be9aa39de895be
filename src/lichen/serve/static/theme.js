// Runs before the first paint: the theme somebody chose, else the system's.
const chosen = localStorage.getItem("lichen.theme");
if (chosen) document.documentElement.dataset.theme = chosen;
document.documentElement.classList.add("js");
