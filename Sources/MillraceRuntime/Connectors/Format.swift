public import MillraceCore

/// A message that could not be decoded.
public struct DecodeFailure {
    /// Index into the messages of the call.
    public var message: Int32
    public var detail: String
    public init(message: Int32, detail: String) {
        self.message = message
        self.detail = detail
    }
}

/// Bytes of messages to rows of columns, only the planned ones. Owned by one thread; keeps its buffers.
public protocol RowDecoder: AnyObject {
    /// Decodes `messages[i]`, appending its rows (usually one; none for a skipped one, several for a JSON array) to every
    /// one of `columns` and, for each row, `i` to `origins`. A failed message leaves no row and one entry in `failures`.
    ///
    /// String cells may point into the messages or into `arena`. An absent message (tombstone) gives no row.
    func decode(
        _ messages: UnsafeBufferPointer<ByteRef>, into columns: [Column], origins: inout [Int32],
        failures: inout [DecodeFailure], arena: BatchArena)
}

/// Rows of columns to bytes of one message each. Owned by one thread.
public protocol RowEncoder: AnyObject {
    /// Appends the row's message to `buffer` (no line end).
    /// - Throws: `.user` when a value has no representation in the format.
    func encode(_ batch: ColumnBatch, row: Int, into buffer: ByteBuffer) throws(Diagnostic)
}

/// Makes decoders and encoders by format name; implemented by MillraceFormats, handed to connectors by the engine.
public protocol FormatFactory: Sendable {
    /// - Parameters:
    ///   - options: the table's, with prefixes (`json.…`, or `value.json.…`/`key.json.…` when `part` is given).
    ///   - physical: the declared columns of this part, in order.
    ///   - fields: the columns to produce: paths into `physical`.
    func makeDecoder(format: String, part: String?, options: [String: String], physical: Schema, fields: [SourceField])
        throws(Diagnostic) -> any RowDecoder
    /// Encodes the batch columns `columns` (indices) of `schema`.
    func makeEncoder(format: String, part: String?, options: [String: String], schema: Schema, columns: [Int])
        throws(Diagnostic) -> any RowEncoder
}
