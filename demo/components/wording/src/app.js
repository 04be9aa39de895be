// Words how an order stands, in the language of whoever asks.

const ORDER_ID = /^[0-9]{4,12}$/;
const TEXT_CHARS_MAX = 200;

// A failure with a code that flows can route by.
class Failed extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const sentences = {
  de: (order, item, status) => `Bestellung ${order} (${item}): ${status}.`,
  en: (order, item, status) => `Order ${order} (${item}) is ${status}.`,
};

const operations = {
  // One sentence about an order; English for a language that has none.
  order(given) {
    if (typeof given.order_id !== "string" || !ORDER_ID.test(given.order_id)) {
      throw new Failed("input_invalid", "`order_id` has to be 4 to 12 digits.");
    }
    const sentence = sentences[given.language] ?? sentences.en;
    return { text: sentence(given.order_id, textOf(given, "item"), textOf(given, "status")) };
  },
};

function textOf(given, name) {
  const text = given[name];
  if (typeof text !== "string" || text === "" || text.length > TEXT_CHARS_MAX) {
    throw new Failed("input_invalid", `\`${name}\` has to be a text of 1 to ${TEXT_CHARS_MAX} characters.`);
  }
  return text;
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
    throw new Failed("operation_unknown", "There is `order`.");
  }
  return JSON.stringify(operations[op](given));
}

// What wit/component.wit wants of this component.
export const node = {
  getManifest() {
    const names = Object.keys(operations).map((name) => ({ name }));
    return JSON.stringify({ id: "shop.wording", version: "1.0.0", operations: names });
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
