"""The same as rows.py, which explains it, for the compiled hot path.

Nothing in `put` and `take` calls Python while it changes a row, so the GIL is all the lock that they need.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from simaccel.tracing.layout import BEFORE_TIME, FIXED, FLOW_TAG, MOST_EVENT_BYTES, VALUE_TAG

cdef extern from *:
    """
    enum { EVENT_BYTES = 13, MOST_ROW_BYTES = 64 };

    static inline unsigned char *put_varint(unsigned char *at, unsigned long long value)
    {
        while (value > 0x7f) {
            *at++ = (unsigned char)(value | 0x80);
            value >>= 7;
        }
        *at++ = (unsigned char)value;
        return at;
    }
    """
    int EVENT_BYTES, MOST_ROW_BYTES
    unsigned char *put_varint(unsigned char *at, unsigned long long value) nogil

cdef unsigned char _fixed[32]
cdef unsigned char _flow_tag[8]
cdef unsigned char _value_tag[8]
cdef Py_ssize_t _fixed_bytes = len(FIXED), _flow_tag_bytes = len(FLOW_TAG), _value_tag_bytes = len(VALUE_TAG)
memcpy(_fixed, PyBytes_AS_STRING(FIXED), _fixed_bytes)
memcpy(_flow_tag, PyBytes_AS_STRING(FLOW_TAG), _flow_tag_bytes)
memcpy(_value_tag, PyBytes_AS_STRING(VALUE_TAG), _value_tag_bytes)
assert BEFORE_TIME == b"\x0a\0\x40" and MOST_EVENT_BYTES == EVENT_BYTES


cdef unsigned char *put_flow(unsigned char *at, long long flow) noexcept nogil:
    memcpy(at, _flow_tag, _flow_tag_bytes)
    memcpy(at + _flow_tag_bytes, &flow, 8)  # little-endian, as all machines that this is compiled for
    return at + _flow_tag_bytes + 8


@cython.final
cdef class Rows:
    """The rows of one file that were not written yet, and all its heads. `len` counts the rows."""

    def __dealloc__(self):
        free(self._rows)
        free(self._heads)

    def __len__(self):
        return self._count

    def head(self, event, counter):
        """The number of a new head."""
        cdef Head *heads = self._heads
        cdef Head *new
        cdef bytes text = event
        if len(text) > MOST_EVENT_BYTES:
            raise ValueError(f"an event of {len(text)} bytes")
        if self._head_count == self._head_room:
            heads = <Head *>realloc(heads, 2 * (self._head_room + 32) * sizeof(Head))
            if heads == NULL:
                raise MemoryError
            self._heads, self._head_room = heads, 2 * (self._head_room + 32)
        new = &heads[self._head_count]
        new.length, new.counter = <unsigned char>len(text), bool(counter)
        memcpy(new.event, PyBytes_AS_STRING(text), len(text))
        self._head_count += 1
        return self._head_count - 1

    cpdef put(self, long long time_ns, long long head, long long extra, long long more=0):
        """Add a row."""
        cdef Row *rows = self._rows
        if self._count == self._room:
            rows = <Row *>realloc(rows, 2 * (self._room + 512) * sizeof(Row))
            if rows == NULL:
                raise MemoryError
            self._rows, self._room = rows, 2 * (self._room + 512)
        rows[self._count].time_ns = time_ns
        rows[self._count].head = head
        rows[self._count].extra = extra
        rows[self._count].more = more
        self._count += 1

    def take(self):
        """Take all rows: how many they are, and their packets, in the order of the rows."""
        cdef Py_ssize_t count = self._count
        cdef bytes out = PyBytes_FromStringAndSize(NULL, count * MOST_ROW_BYTES)  # it may run a collection, but adds no row
        cdef unsigned char *begin = <unsigned char *>PyBytes_AS_STRING(out)
        cdef unsigned char *end = self._write(begin, count)
        self._count -= count
        memmove(self._rows, &self._rows[count], self._count * sizeof(Row))
        return count, out[:end - begin]

    cdef unsigned char *_write(self, unsigned char *at, Py_ssize_t count) noexcept nogil:
        cdef Py_ssize_t each
        cdef unsigned char *length
        cdef unsigned char *inner
        cdef Row *row
        cdef Head *head
        for each in range(count):
            row = &self._rows[each]
            head = &self._heads[row.head]
            at[0] = 0x0A
            length = at + 1
            at[2] = 0x40
            at = put_varint(at + 3, row.time_ns)
            memcpy(at, _fixed, _fixed_bytes)
            at += _fixed_bytes
            inner = at - 1
            memcpy(at, head.event, head.length)
            at += head.length
            if head.counter:
                memcpy(at, _value_tag, _value_tag_bytes)
                at = put_varint(at + _value_tag_bytes, row.extra)
            else:
                if row.extra > 0:
                    at = put_flow(at, row.extra)
                if row.more > 0:
                    at = put_flow(at, row.more)
            inner[0] = <unsigned char>(at - inner - 1)
            length[0] = <unsigned char>(at - length - 1)
        return at
