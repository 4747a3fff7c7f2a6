public import MillraceCore

/// A row that goes to the dead-letter table instead of its sink.
public struct DeadLetter: Sendable {
    /// Source table; empty for rows that no source record stands behind.
    public var source: String
    public var partition: SourcePartition?
    public var offset: Int64?
    public var key: [UInt8]?
    public var value: [UInt8]?
    public var headers: [(name: String, value: [UInt8]?)]
    /// The SQL object that refused the row: table, view, model, sink.
    public var object: String
    public var reason: RowErrorCode
    /// Free text or JSON with what is known: column, window, watermark, lateness.
    public var detail: String
    /// Wall clock, microseconds since 1970.
    public var time: Int64

    public init(
        source: String, partition: SourcePartition?, offset: Int64?, key: [UInt8]?, value: [UInt8]?,
        headers: [(name: String, value: [UInt8]?)] = [], object: String, reason: RowErrorCode, detail: String,
        time: Int64
    ) {
        self.source = source
        self.partition = partition
        self.offset = offset
        self.key = key
        self.value = value
        self.headers = headers
        self.object = object
        self.reason = reason
        self.detail = detail
        self.time = time
    }
}

/// The end of one INSERT: takes rows, hands them to its outside world.
public protocol Sink: AnyObject {
    /// Takes all rows now (copies what it needs; the batch is reused). Never blocks.
    /// `reject` is called for rows the sink can tell beforehand that it cannot take (NULL in a NOT NULL column).
    func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void) throws(Diagnostic)
}

/// The outside world behind one or more sinks: what has been written becomes durable, together with the positions.
///
/// PostgreSQL: one transaction with rows, dead letters and positions. Kafka exactly once without PostgreSQL: one transaction
/// with rows and positions; beside it: an `Outbox`. Files, print, Kafka at least once: durable on flush.
public protocol SinkSession: AnyObject {
    /// Watched for reading, and for writing while `wantsWrite`; -1 when there is nothing to wait for.
    var descriptor: Int32 { get }
    /// Changes with every new connection: the descriptor must be watched anew, even under the same number.
    var connectionGeneration: Int { get }
    var wantsWrite: Bool { get }
    /// Absolute monotonic microseconds at which `drive` must be called although nothing is ready (retry); nil: none.
    var deadline: Int64? { get }
    /// Rows and bytes taken but not yet durable (backpressure).
    var uncommittedRows: Int { get }
    var uncommittedBytes: Int { get }
    /// Dead letters handed to `submit` are written somewhere.
    var keepsDeadLetters: Bool { get }
    /// Works off what the checkpoint's transactions have stored (`Outbox`): takes no tickets, and none waits for it.
    var followsCheckpoint: Bool { get }
    /// A transaction slot is free.
    var canSubmit: Bool { get }
    /// Sends everything written since the last submit, with the positions reached, as one unit numbered `ticket`
    /// (ascending). Never blocks. With no rows, dead letters or moved positions the caller does not call it.
    func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter]) throws(Diagnostic)
    /// Moves bytes and collects results. Called when the descriptor was ready (always, when there is none), after the
    /// deadline, and every 100 ms. Reconnects with backoff.
    /// Returns the newest durable ticket (-1 before the first). Throws only what cannot pass by itself (fenced, permission).
    func drive(now: Int64) throws(Diagnostic) -> Int64
    /// Waits until everything submitted is durable, or `deadlineMicroseconds` (monotonic) has passed; then closes.
    func close(deadlineMicroseconds: Int64) throws(Diagnostic)
}

extension SinkSession {
    public var connectionGeneration: Int { 0 }
    public var keepsDeadLetters: Bool { false }
    public var followsCheckpoint: Bool { false }
}

/// A source table's name, as stored with its positions.
public typealias SourceName = String

/// Keeps positions between runs. PostgreSQL's session is one; `KafkaCheckpoint` does the same for pipelines that deliver to
/// Kafka exactly once; without either a pipeline starts as its options say.
public protocol CheckpointStore: AnyObject {
    /// Takes over the pipeline: fences every earlier owner and returns the stored positions by source.
    ///
    /// - Throws: `.user` with the difference when `fingerprint` is not the stored one and there are positions.
    func open(pipeline: String, fingerprint: String, planText: String, resetState: Bool) throws(Diagnostic)
        -> [SourceName: [SourcePosition]]
}
