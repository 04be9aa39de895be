// Finds the number of an order in what somebody wrote: "order 10-42, please" is about 1042.
#include "json.h"
#include "wit.h"

enum { DIGITS_MIN = 4, DIGITS_MAX = 12 };

// What an operation answers, or a failure with a code that flows can route by.
typedef struct { bool is_good; text said, code; } answer;

static answer failed(text code, text message) { return (answer){false, message, code}; }

static bool is_digit(const text *in, uint32_t i) { return i < in->size && in->at[i] >= '0' && in->at[i] <= '9'; }

static void put(text *to, text more) {
    __builtin_memcpy((char *)to->at + to->size, more.at, more.size);
    to->size += more.size;
}

// The answer about the digits from `from` to `end`: without the hyphens that people put between them.
static answer found(const text *in, uint32_t from, uint32_t end) {
    text out = {taken(64), 0};
    put(&out, TEXT("{\"order_id\":\""));
    for (uint32_t i = from; i < end; i++)
        if (is_digit(in, i)) put(&out, (text){in->at + i, 1});
    put(&out, TEXT("\"}"));
    return (answer){true, out, {0, 0}};
}

// The first run of digits that may be the number of an order. The text is as JSON has it: escapes are stepped over.
static answer read(text in) {
    for (uint32_t i = 0; i < in.size; i++) {
        if (in.at[i] == '\\') {
            i += i + 1 < in.size && in.at[i + 1] == 'u' ? 5 : 1;
            continue;
        }
        if (!is_digit(&in, i)) continue;
        uint32_t from = i, digits = 0;
        while (is_digit(&in, i) || (in.at[i] == '-' && is_digit(&in, i + 1))) digits += in.at[i++] != '-';
        if (digits >= DIGITS_MIN && digits <= DIGITS_MAX) return found(&in, from, i);
    }
    return failed(TEXT("number_missing"), TEXT("There is no number of an order in it."));
}

static answer asked(const invoked *question) {
    if (!json_is_object(question->input))
        return failed(TEXT("input_invalid"), TEXT("It has to be asked with a JSON object."));
    if (!same(question->op, TEXT("read"))) return failed(TEXT("operation_unknown"), TEXT("There is `read`."));
    text said = json_get(question->input, TEXT("text"));
    if (said.size < 2 || *said.at != '"') return failed(TEXT("input_invalid"), TEXT("`text` has to be a text."));
    return read((text){said.at + 1, said.size - 2});
}

// What wit/component.wit wants of this component.

EXPORT(NODE "#get-manifest") text *get_manifest(void) {
    text *said = taken(sizeof *said);
    *said = TEXT("{\"id\":\"shop.number\",\"version\":\"1.0.0\",\"operations\":[{\"name\":\"read\"}]}");
    return said;
}

EXPORT(NODE "#on-start") lifecycle_result *on_start(const exec_ctx *ctx) {
    (void)ctx;
    lifecycle_result *result = taken(sizeof *result);
    *result = (lifecycle_result){0};
    return result;
}

EXPORT(NODE "#on-stop") lifecycle_result *on_stop(const exec_ctx *ctx) { return on_start(ctx); }

EXPORT(NODE "#invoke") invoke_result *invoke(const invoked *question) {
    answer came = asked(question);
    invoke_result *result = taken(sizeof *result);
    *result = (invoke_result){.is_err = !came.is_good};
    if (came.is_good) result->ok = came.said;
    else result->err = (node_error){.code = came.code, .message = came.said};
    return result;
}

EXPORT(NODE "#invoke-stream") stream_events *invoke_stream(const invoked *question) {
    answer came = asked(question);
    stream_events *events = taken(sizeof *events);
    events->at = taken(2 * sizeof *events->at);
    events->at[0] = (stream_event){came.is_good ? EVENT_DATA : EVENT_ERROR, came.said};
    events->at[1] = (stream_event){EVENT_DONE, {0, 0}};
    events->size = came.is_good ? 2 : 1;
    return events;
}

// An answer was read: its memory is free.
static void done(void) { heap = 0; }
EXPORT("cabi_post_" NODE "#get-manifest") void post_get_manifest(void *said) { (void)said, done(); }
EXPORT("cabi_post_" NODE "#on-start") void post_on_start(void *said) { (void)said, done(); }
EXPORT("cabi_post_" NODE "#on-stop") void post_on_stop(void *said) { (void)said, done(); }
EXPORT("cabi_post_" NODE "#invoke") void post_invoke(void *said) { (void)said, done(); }
EXPORT("cabi_post_" NODE "#invoke-stream") void post_invoke_stream(void *said) { (void)said, done(); }
