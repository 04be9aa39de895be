// Keeps totals by name: `add` adds to one, `total` reads one.
#include "json.h"
#include "wit.h"

enum { NAME_CHARS_MAX = 64, STEP_MAX = 1000 };  // STEP_MAX: where the configuration does not say it

// What an operation answers, or a failure with a code that flows can route by.
typedef struct { bool is_good; text said, code; } answer;

static answer failed(text code, text message) { return (answer){false, message, code}; }

// A text under construction.
static void put(text *to, text more) {
    __builtin_memcpy((char *)to->at + to->size, more.at, more.size);
    to->size += more.size;
}

static void put_number(text *to, int64_t number) {
    char digits[20];
    uint32_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10); while (number /= 10);
    put(to, (text){digits + at, sizeof digits - at});
}

static text begun(uint32_t size) { return (text){taken(size), 0}; }

static bool is_name(text said) {
    if (said.size < 3 || said.size > NAME_CHARS_MAX + 2 || *said.at != '"') return false;
    for (uint32_t i = 1; i < said.size - 1; i++) {
        char c = said.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
    }
    return true;
}

static answer told(text name, int64_t total) {
    text out = begun(name.size + 64);
    put(&out, TEXT("{\"name\":\""));
    put(&out, name);
    put(&out, TEXT("\",\"total\":"));
    put_number(&out, total);
    put(&out, TEXT("}"));
    return (answer){true, out, {0, 0}};
}

// What is kept under a name. What is kept is digits.
static answer kept(text name, int64_t *total) {
    read_result read;
    state_read(name.at, name.size, &read);
    *total = 0;
    if (read.is_err && !same(read.err.code, TEXT("not-found"))) return failed(TEXT("state_unavailable"), read.err.message);
    if (!read.is_err && !json_whole(read.ok, total)) return failed(TEXT("state_unavailable"), TEXT("It is no number."));
    return (answer){true, {0, 0}, {0, 0}};
}

// Adds `amount`, which is 1 where it is not said, and tells the new total.
static answer add(text given, text name) {
    int64_t amount = 1, step_max = STEP_MAX, total;
    text said = json_get(given, TEXT("amount"));
    if (said.size && (!json_whole(said, &amount) || amount < 1))
        return failed(TEXT("input_invalid"), TEXT("`amount` has to be a whole number from 1."));
    json_whole(json_get(json_get(given, TEXT("config")), TEXT("step_max")), &step_max);
    if (amount > step_max) {
        text message = begun(80);
        put(&message, TEXT("At most "));
        put_number(&message, step_max);
        put(&message, TEXT(" may be added at once."));
        return failed(TEXT("amount_too_large"), message);
    }
    answer came = kept(name, &total);
    if (!came.is_good) return came;
    text digits = begun(20);
    put_number(&digits, total + amount);
    write_result written;
    state_write(name.at, name.size, digits.at, digits.size, &written);
    if (written.is_err) return failed(TEXT("state_unavailable"), written.err.message);
    return told(name, total + amount);
}

// Tells a total; one that nothing was added to is 0.
static answer total(text name) {
    int64_t total;
    answer came = kept(name, &total);
    return came.is_good ? told(name, total) : came;
}

static answer asked(const invoked *question) {
    if (!json_is_object(question->input))
        return failed(TEXT("input_invalid"), TEXT("It has to be asked with a JSON object."));
    bool is_add = same(question->op, TEXT("add"));
    if (!is_add && !same(question->op, TEXT("total")))
        return failed(TEXT("operation_unknown"), TEXT("There are `add` and `total`."));
    text name = json_get(question->input, TEXT("name"));
    if (!is_name(name)) return failed(TEXT("input_invalid"), TEXT("`name` has to be 1 to 64 of a-z, 0-9 and -."));
    name = (text){name.at + 1, name.size - 2};
    return is_add ? add(question->input, name) : total(name);
}

// What wit/component.wit wants of this component.

EXPORT(NODE "#get-manifest") text *get_manifest(void) {
    text *said = taken(sizeof *said);
    *said = TEXT("{\"id\":\"{name}\",\"version\":\"0.1.0\",\"operations\":[{\"name\":\"add\"},{\"name\":\"total\"}]}");
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
