// Keeps totals by name: `add` adds to one, `total` reads one.

import state from "greentic:state/state-store@1.0.0";

const NAME = /^[a-z0-9-]{1,64}$/;
const STEP_MAX = 1000; // what may be added at once, where the configuration does not say it

// A failure with a code that flows can route by.
class Failed extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const operations = {
  // Adds `amount`, which is 1 where it is not said, and tells the new total.
  add(given) {
    const name = nameOf(given);
    const amount = given.amount ?? 1;
    const stepMax = given.config?.step_max ?? STEP_MAX;
    if (!Number.isSafeInteger(amount) || amount < 1) {
      throw new Failed("input_invalid", "`amount` has to be a whole number from 1.");
    }
    if (amount > stepMax) {
      throw new Failed("amount_too_large", `At most ${stepMax} may be added at once.`);
    }
    const total = kept(name) + amount;
    write(name, String(total));
    return { name, total };
  },

  // Tells a total; one that nothing was added to is 0.
  total(given) {
    const name = nameOf(given);
    return { name, total: kept(name) };
  },
};

function nameOf(given) {
  if (typeof given.name !== "string" || !NAME.test(given.name)) {
    throw new Failed("input_invalid", "`name` has to be 1 to 64 of a-z, 0-9 and -.");
  }
  return given.name;
}

// What is kept is digits, so that neither side needs more than ASCII.
function kept(name) {
  try {
    return Number(String.fromCharCode(...state.read(name)));
  } catch (error) {
    if (codeOf(error) === "not-found") return 0;
    throw unavailable(error);
  }
}

function write(name, text) {
  try {
    state.write(name, Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  } catch (error) {
    throw unavailable(error);
  }
}

function codeOf(error) {
  return error?.payload?.code ?? error?.code;
}

function unavailable(error) {
  return new Failed("state_unavailable", error?.payload?.message ?? String(error?.message ?? error));
}

// The JSON that an operation answers.
function answer(op, text) {
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    given = null;
  }
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new Failed("input_invalid", "It has to be asked with a JSON object.");
  }
  if (!Object.hasOwn(operations, op)) {
    throw new Failed("operation_unknown", "There are `add` and `total`.");
  }
  return JSON.stringify(operations[op](given));
}

// What wit/component.wit wants of this component.
export const node = {
  getManifest() {
    const names = Object.keys(operations).map((name) => ({ name }));
    return JSON.stringify({ id: "{name}", version: "0.1.0", operations: names });
  },

  onStart() {
    return "ok";
  },

  onStop() {
    return "ok";
  },

  invoke(ctx, op, input) {
    try {
      return { tag: "ok", val: answer(op, input) };
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      const { code, message } = error;
      return { tag: "err", val: { code, message, retryable: false, backoffMs: null, details: null } };
    }
  },

  invokeStream(ctx, op, input) {
    try {
      return [{ tag: "data", val: answer(op, input) }, { tag: "done" }];
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      return [{ tag: "error", val: error.message }];
    }
  },
};
