#include "error.h"

#include <openssl/err.h>

static int library;

void error_load_strings(void)
{
    /* ERR_load_strings writes to it and keeps it, so it can be neither const nor on the stack. */
    static ERR_STRING_DATA strings[] = {
        {ERR_PACK(0, 0, 0), "simaccel"},
        {ERR_PACK(0, 0, ERROR_DEVICE), "accelerator failed"},
        {ERR_PACK(0, 0, ERROR_SETTING), "unusable setting"},
        {ERR_PACK(0, 0, ERROR_NO_DEFAULT), "no default provider"},
        {ERR_PACK(0, 0, ERROR_MEMORY), "out of memory"},
        {0, NULL},
    };

    if (library == 0) {
        library = ERR_get_next_error_library();
        ERR_load_strings(library, strings);
    }
}

void error_raise(enum error_reason reason, const char *detail)
{
    ERR_raise_data(library, (int)reason, "%s", detail);
}
