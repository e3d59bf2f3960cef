"""Runs one candidate inside the jail: takes a request's bytes, writes one frame per case to a
descriptor. It never sees an expected value and judges nothing; `frame.rs` describes the frames,
`Request::encode` the request. `cold.py` and `zygote.py` call it.

All names that it needs later are bound before the candidate runs, since the candidate can replace
any builtin or module: that is why the makers below copy so many names into variables of their
own."""

import builtins
import os
import struct
import sys
import time

# The limit on digits protects servers that wait for ever; here the limit on CPU time does. A right
# answer is not wrong for its length.
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)

MAX_FRAME_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ITEMS = 100_000
MAX_INT_BYTES = 1 << 16
MAX_TEXT_CHARS = 400

# Exit statuses: memory ran out where nothing could be said; the runner itself was broken.
OUT_OF_MEMORY = 77
BROKEN = 78

# The names of `typing`, but for `ChainMap`, `Counter` and `OrderedDict`: whoever writes these means
# `collections`.
TYPING_NAMES = frozenset("""
    AbstractSet Annotated Any AnyStr AsyncContextManager AsyncGenerator AsyncIterable
    AsyncIterator Awaitable BinaryIO ByteString Callable ClassVar Collection Concatenate Container
    ContextManager Coroutine DefaultDict Deque Dict Final ForwardRef FrozenSet Generator Generic
    Hashable IO ItemsView Iterable Iterator KeysView List Literal LiteralString Mapping
    MappingView Match MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoDefault
    NoReturn NotRequired Optional ParamSpec ParamSpecArgs ParamSpecKwargs Pattern Protocol
    ReadOnly Required Reversible Self Sequence Set Sized SupportsAbs SupportsBytes SupportsComplex
    SupportsFloat SupportsIndex SupportsInt SupportsRound TYPE_CHECKING Text TextIO Tuple Type
    TypeAlias TypeAliasType TypeGuard TypeIs TypeVar TypeVarTuple TypedDict Union Unpack
    ValuesView assert_never assert_type cast clear_overloads dataclass_transform final get_args
    get_origin get_overloads get_protocol_members get_type_hints is_protocol is_typeddict
    no_type_check no_type_check_decorator overload override reveal_type runtime_checkable
""".split())


class TooLarge(Exception):
    """A value does not fit into a frame."""


def lend_typing(program):
    """Makes the names of `typing` that the code uses builtins: it finds them where it neither
    defines nor imports them itself, and sees no other difference. Annotations say nothing about
    what a function does, and code written for graders that provide these names leaves the import
    out. Other imports are the candidate's own affair."""
    used = set()
    # The list grows while it is walked: code objects hold those of the functions within them.
    parts = [program]
    for part in parts:
        used.update(TYPING_NAMES.intersection(part.co_names))
        parts.extend(constant for constant in part.co_consts if type(constant) is type(program))
    if used:
        import typing

        for name in used.intersection(typing.__all__):
            setattr(builtins, name, getattr(typing, name))


def make_decoder():
    """A function that reads one value from `data` at a place, and returns it and the place
    behind."""
    unpack_u32 = struct.Struct("<I").unpack_from
    unpack_f64 = struct.Struct("<d").unpack_from
    from_bytes = int.from_bytes
    str_, tuple_, dict_, range_ = str, tuple, dict, range
    constants = {b"N"[0]: None, b"T"[0]: True, b"F"[0]: False}
    INT, FLOAT, STR, LIST, TUPLE, DICT = b"IDULPM"

    def decode(data, at):
        tag = data[at]
        at += 1
        if tag in constants:
            return constants[tag], at
        if tag == FLOAT:
            return unpack_f64(data, at)[0], at + 8
        size = unpack_u32(data, at)[0]
        at += 4
        if tag == INT:
            return from_bytes(data[at:at + size], "little", signed=True), at + size
        if tag == STR:
            return str_(data[at:at + size], "utf-8"), at + size
        items = []
        for _ in range_(2 * size if tag == DICT else size):
            item, at = decode(data, at)
            items.append(item)
        if tag == DICT:
            return dict_([(items[i], items[i + 1]) for i in range_(0, 2 * size, 2)]), at
        return (tuple_(items) if tag == TUPLE else items), at

    return decode


def make_encoder():
    """Two functions: one appends a value to a buffer, one describes what was raised."""
    pack_u32, pack_f64 = struct.Struct("<I").pack, struct.Struct("<d").pack
    type_, len_, tuple_, repr_ = type, len, tuple, repr
    int_, float_, str_, list_, dict_ = int, float, str, list, dict
    sized, plain = (set, frozenset, bytes, bytearray), (complex, range)
    encode_str, slice_of = str.encode, str.__getitem__
    bit_length, to_bytes = int.bit_length, int.to_bytes
    items_of = dict.items
    # A metaclass can redefine `__name__`; this finds the real one.
    type_name = type.__dict__["__name__"].__get__
    too_large, unicode_error, base_exception = TooLarge, UnicodeEncodeError, BaseException
    memory_error = MemoryError
    head = slice(0, MAX_TEXT_CHARS)
    max_frame, max_depth = MAX_FRAME_BYTES, MAX_DEPTH
    max_items, max_int_bytes = MAX_ITEMS, MAX_INT_BYTES

    def blob(data):
        return pack_u32(len_(data)) + data

    def text(value):
        return blob(encode_str(slice_of(value, head), "utf-8", "backslashreplace"))

    def describe(value, kind):
        try:
            if kind in plain or (kind in sized and len_(value) <= 1000):
                return repr_(value)
        except base_exception:
            pass
        return ""

    def put(out, value, depth):
        kind = type_(value)
        if value is None:
            out += b"N"
        elif value is True:
            out += b"T"
        elif value is False:
            out += b"F"
        elif kind is int_:
            size = bit_length(value) // 8 + 1
            if size > max_int_bytes:
                raise too_large
            out += b"I" + blob(to_bytes(value, size, "little", signed=True))
        elif kind is float_:
            out += b"D" + pack_f64(value)
        elif kind is str_:
            if len_(value) > max_frame:
                raise too_large
            try:
                out += b"U" + blob(encode_str(value, "utf-8"))
            except unicode_error:
                out += b"G" + blob(encode_str(value, "utf-8", "surrogatepass"))
        elif (kind is list_ or kind is tuple_ or kind is dict_) and depth < max_depth:
            if len_(value) > max_items:
                raise too_large
            items = tuple_(items_of(value)) if kind is dict_ else tuple_(value)
            out += b"M" if kind is dict_ else b"L" if kind is list_ else b"P"
            out += pack_u32(len_(items))
            for item in items:
                if kind is dict_:
                    put(out, item[0], depth + 1)
                    put(out, item[1], depth + 1)
                else:
                    put(out, item, depth + 1)
        else:
            shown = "nested too deeply" if depth >= max_depth else describe(value, kind)
            out += b"O" + text(type_name(kind)) + text(shown)
        if len_(out) > max_frame:
            raise too_large

    def fault(error):
        """Whether memory ran out, the class and the message of what was raised."""
        kind = type_(error)
        try:
            message = text(str_(error))
        except base_exception:
            message = text("")
        return (b"m" if memory_error in kind.__mro__ else b"r") + text(type_name(kind)) + message

    return put, fault


def read_rest(source):
    """All bytes from descriptor `source` up to its end."""
    parts = []
    while part := os.read(source, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def make_server():
    """The function that serves one request and ends the process."""
    decode, (put, fault) = make_decoder(), make_encoder()
    unpack_u32 = struct.Struct("<I").unpack_from
    pack_u32, pack_u64 = struct.Struct("<I").pack, struct.Struct("<Q").pack
    write, leave, getpid = os.write, os._exit, os.getpid
    len_, bytearray_, range_, callable_ = len, bytearray, range, callable
    too_large, base_exception, memory_error = TooLarge, BaseException, MemoryError
    import_error, system_error = ImportError, SystemError
    forget_frames = BaseException.with_traceback
    modules = sys.modules
    out_of_memory, broken = OUT_OF_MEMORY, BROKEN

    def serve(fd, source):
        """Reads the request from `source`, writes frames to `fd`, never returns."""
        nonce, me = os.read(source, 8), getpid()

        def load():
            data, at, blobs = read_rest(source), 0, []
            while at < len_(data):
                size = unpack_u32(data, at)[0]
                at += 4 + size
                blobs.append(data[at - size:at])
            entry, code, count, *cases = blobs
            assert len_(cases) == unpack_u32(count, 0)[0]
            # What does not fit into memory shows here, before the candidate could be blamed for it.
            for case in cases:
                decode(case, 0)
            return entry.decode(), code, cases

        def send(body):
            # A process that the candidate has forked must not answer for it.
            if getpid() != me:
                leave(0)
            frame = nonce + pack_u32(len_(body)) + body
            while frame:
                frame = frame[write(fd, frame):]

        def ready():
            send(b"R" + pack_u64(time.process_time_ns()))

        def finish(body):
            send(body)
            send(b"Z")
            leave(0)

        def one(function, case, head):
            try:
                if seed is not None:
                    seed(0)
                out = bytearray_(b"V" + head)
                put(out, function(*decode(case, 0)[0]), 0)
                return out
            except too_large:
                return b"B" + head
            except base_exception as error:
                # What the frames hold may be all the memory there is.
                forget_frames(error, None)
                return b"E" + head + fault(error)

        def seed_late(number):
            """Seeds `random`, should it be there although the source does not name it. A candidate
            that broke it may not need it."""
            try:
                modules["random"].seed(number)
            except base_exception:
                pass

        def run():
            module = type(sys)("candidate")
            sys.modules["candidate"] = module
            names = module.__dict__
            ready()
            try:
                program = compile(code, "<candidate>", "exec", dont_inherit=True)
            except base_exception as error:
                finish(b"S" + fault(error))
            try:
                lend_typing(program)
                if seed is not None:
                    seed(0)
                exec(program, names)
            except base_exception as error:
                forget_frames(error, None)
                finish(b"X" + fault(error))
            function = names.get(entry)
            if not callable_(function):
                finish(b"A")
            for index in range_(len_(cases)):
                send(one(function, cases[index], pack_u32(index)))
            send(b"Z")
            leave(0)

        seed, loaded = None, False
        try:
            entry, code, cases = load()
            if b"random" in code:
                import random

                seed = random.seed
            elif b"import" in code:
                seed = seed_late
            loaded = True
        except (memory_error, import_error, system_error):
            # Without memory, a library can't be mapped either, and the interpreter loses an
            # exception now and then.
            pass
        if not loaded:
            # Only outside the handler is what was read let go of, which leaves memory for a frame.
            entry = code = cases = None
            ready()
            leave(out_of_memory)
        try:
            run()
        except memory_error:
            leave(out_of_memory)
        except base_exception:
            leave(broken)

    return serve
