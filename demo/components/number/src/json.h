// As much of JSON as a small component needs: whether a text is JSON, and the values of an object by their keys.
// Keys and texts are compared as they are written: one that is written with escapes is none that is looked for.
#pragma once
#include "wit.h"

enum { DEPTH_MAX = 64 };
typedef struct { const char *at, *end; } reader;

static bool json_value(reader *r, int depth);

static void json_space(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static bool json_is(reader *r, char letter) {
    json_space(r);
    return r->at < r->end && *r->at == letter ? (r->at++, true) : false;
}

static bool json_hex(char c) { return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f'); }

static bool json_string(reader *r) {
    if (!json_is(r, '"')) return false;
    while (r->at < r->end) {
        unsigned char c = (unsigned char)*r->at++;
        if (c == '"') return true;
        if (c < 32) return false;
        if (c != '\\') continue;
        if (r->at == r->end) return false;
        switch (*r->at++) {
            case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': break;
            case 'u':
                for (int i = 0; i < 4; i++) if (r->at == r->end || !json_hex(*r->at++)) return false;
                break;
            default: return false;
        }
    }
    return false;
}

static bool json_digits(reader *r) {
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > from;
}

static bool json_number(reader *r) {
    if (r->at < r->end && *r->at == '-') r->at++;
    if (r->at < r->end && *r->at == '0') r->at++;
    else if (!json_digits(r)) return false;
    if (r->at < r->end && *r->at == '.') { r->at++; if (!json_digits(r)) return false; }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!json_digits(r)) return false;
    }
    return true;
}

static bool json_word(reader *r, text word) {
    if ((size_t)(r->end - r->at) < word.size || __builtin_memcmp(r->at, word.at, word.size)) return false;
    r->at += word.size;
    return true;
}

static bool json_members(reader *r, int depth, bool is_object) {
    char last = is_object ? '}' : ']';
    r->at++;
    if (json_is(r, last)) return true;
    do {
        if (is_object && (!json_string(r) || !json_is(r, ':'))) return false;
        if (!json_value(r, depth + 1)) return false;
    } while (json_is(r, ','));
    return json_is(r, last);
}

static bool json_value(reader *r, int depth) {
    json_space(r);
    if (r->at == r->end || depth > DEPTH_MAX) return false;
    switch (*r->at) {
        case '{': return json_members(r, depth, true);
        case '[': return json_members(r, depth, false);
        case '"': return json_string(r);
        case 't': return json_word(r, TEXT("true"));
        case 'f': return json_word(r, TEXT("false"));
        case 'n': return json_word(r, TEXT("null"));
        default: return json_number(r);
    }
}

// Whether a text is one JSON object.
static bool json_is_object(text said) {
    reader r = {said.at, said.at + said.size};
    json_space(&r);
    if (r.at == r.end || *r.at != '{' || !json_value(&r, 0)) return false;
    json_space(&r);
    return r.at == r.end;
}

// The value under a key of an object that is one, as it is written; an empty text where there is none.
static text json_get(text object, text key) {
    text found = {0, 0};
    reader r = {object.at, object.at + object.size};
    if (!json_is(&r, '{') || json_is(&r, '}')) return found;
    do {
        json_space(&r);
        text name = {r.at + 1, 0};
        json_string(&r);
        name.size = (uint32_t)(r.at - 1 - name.at);
        json_is(&r, ':');
        json_space(&r);
        const char *from = r.at;
        json_value(&r, 0);
        if (same(name, key)) found = (text){from, (uint32_t)(r.at - from)};
    } while (json_is(&r, ','));
    return found;
}
