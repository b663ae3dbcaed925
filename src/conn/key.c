/* SPDX-License-Identifier: MIT */
/* Fields of canonical keys. */
#include "conn/key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "belay/error.h"

int bl_key_put(struct bl_buf *key, struct bl_mem *mem, char letter, const void *data, size_t len)
{
    uint32_t prefix = (uint32_t)len;
    char *at = bl_buf_reserve(key, mem, 1 + sizeof prefix + len);

    if (!at)
        return BELAY_ENOMEM;
    at[0] = letter;
    memcpy(at + 1, &prefix, sizeof prefix);
    if (len)
        memcpy(at + 1 + sizeof prefix, data, len);
    bl_buf_commit(key, 1 + sizeof prefix + len);
    return 0;
}

int bl_key_put_text(struct bl_buf *key, struct bl_mem *mem, char letter, const char *text)
{
    return text ? bl_key_put(key, mem, letter, text, strlen(text)) : 0;
}

/* By its bytes: what is printed for people is not always one to one. */
int bl_key_put_addr(struct bl_buf *key, struct bl_mem *mem, char letter,
                    const struct belay_addr *addr)
{
    bool v6 = addr->family == BELAY_FAMILY_IPV6, is_unix = addr->family == BELAY_FAMILY_UNIX;
    size_t len = is_unix ? addr->path_len : v6 ? 16 : 4;
    uint32_t numbers[3] = {addr->family, is_unix ? 0 : addr->port, v6 ? addr->scope_id : 0};
    char bytes[sizeof numbers + BELAY_UNIX_PATH_MAX];

    memcpy(bytes, numbers, sizeof numbers);
    memcpy(bytes + sizeof numbers, is_unix ? addr->u.path : (const char *)addr->u.ip, len);
    return bl_key_put(key, mem, letter, bytes, sizeof numbers + len);
}

/* Strings hold no NUL, so one between them makes their place plain. */
int bl_key_put_secret(struct bl_buf *key, struct belay_loop *loop, char letter, const char *user,
                      const char *password)
{
    size_t user_len = strlen(user), password_len = password ? strlen(password) : 0;
    size_t len = user_len + 1 + password_len;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    char *text = bl_alloc(&loop->mem, len);
    bool good;

    if (!text)
        return BELAY_ENOMEM;
    memcpy(text, user, user_len + 1);
    if (password_len)
        memcpy(text + user_len + 1, password, password_len);
    good = HMAC(EVP_sha256(), loop->secret_key, (int)sizeof loop->secret_key,
                (const unsigned char *)text, len, mac, &mac_len) != NULL;
    explicit_bzero(text, len);
    bl_free(&loop->mem, text);
    return good ? bl_key_put(key, &loop->mem, letter, mac, mac_len) : BELAY_ENOMEM;
}
