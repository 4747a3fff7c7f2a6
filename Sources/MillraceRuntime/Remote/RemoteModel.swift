public import MillraceCore

/// A model that another process evaluates.
public protocol RemoteModel: Model {
    var settings: RemoteSettings { get }
    /// A connection for one shard. Does not connect yet.
    func makeClient(inputs: Schema, outputs: Schema, limits: Limits, clock: any Clock) throws(Diagnostic)
        -> any RemoteClient
}

/// How a remote model is called.
public struct RemoteSettings: Hashable, Sendable {
    /// Most rows of one call; it carries what waits when it leaves, often a single row.
    public var rowsPerCall = 32
    /// Most calls on their way at once, of one shard.
    public var callsInFlight = 8
    /// Attempts after the first, of a call that failed for a reason that may pass.
    public var retries = 3
    public var backoff = RetryBackoff(baseMicroseconds: 50_000, maximumMicroseconds: 2_000_000)
    /// Failures of the server in a row that open the circuit breaker; 0: never.
    public var breakerFailures = 5
    public var breakerPauseMicroseconds: Int64 = 5_000_000
    /// A NULL argument is an error of its row; else it is sent.
    public var nullFails = true

    public init() {}
}

/// What became of an attempt.
public enum RemoteOutcome: Equatable {
    /// `RemoteCall.results` holds a row for every one of the call; rows may be errors of their own.
    case answered
    case failed(RemoteFailure)
}

public struct RemoteFailure: Equatable {
    /// Without row values and secrets: `HTTP 503`, `timed out`.
    public var detail: String
    /// Another attempt may succeed.
    public var isRetryable: Bool
    /// The server is at fault, or cannot be reached: counts for the circuit breaker.
    public var isServerFault: Bool
    /// One row may be to blame for all: rows are tried apart.
    public var mayBeOneRow: Bool
    /// What the server asks for.
    public var retryAfterMicroseconds: Int64?

    public init(
        _ detail: String, isRetryable: Bool, isServerFault: Bool, mayBeOneRow: Bool = false,
        retryAfterMicroseconds: Int64? = nil
    ) {
        self.detail = detail
        self.isRetryable = isRetryable
        self.isServerFault = isServerFault
        self.mayBeOneRow = mayBeOneRow
        self.retryAfterMicroseconds = retryAfterMicroseconds
    }
}

/// Sends calls and takes answers; owned by one shard, never blocks.
public protocol RemoteClient: AnyObject {
    /// Readable when `drive` has something to do; -1 when it may always be called.
    var descriptor: Int32 { get }
    /// Absolute monotonic microseconds at which `drive` has something to do although nothing is ready; nil: none.
    var deadline: Int64? { get }
    /// Starts an attempt. Its outcome comes from `drive`, never from here.
    func begin(_ call: RemoteCall, now: Int64)
    /// Breaks an attempt off; it has no outcome then.
    func cancel(_ call: RemoteCall)
    /// Moves bytes. Appends the attempts that have ended, their `outcome` set.
    func drive(now: Int64, ended: inout [RemoteCall])
    func close()
}

/// Some rows on their way to a remote model and back. Used again when they are out.
public final class RemoteCall {
    /// One column an INPUT. String cells stay valid until the rows are out.
    public let inputs: ColumnBatch
    /// One column an OUTPUT, cleared before each attempt.
    public let results: [Column]
    /// For strings in `results`; reset before each attempt.
    public let arena = BatchArena(chunkBytes: 1 << 12)
    /// The request, if the client has written it: attempts send the same bytes.
    public let request = ByteBuffer(capacity: 512)
    /// What came back.
    public let answer = ByteBuffer(capacity: 512)
    public var outcome: RemoteOutcome?
    /// The client's own number for it.
    public var place = -1

    enum State: Equatable {
        case ready
        /// Monotonic microseconds before which no new attempt is made.
        case pausing(until: Int64)
        case running
        case answered
        case failed(RowErrorCode, String)
    }
    var state = State.ready
    var attempts = 0
    var slots: [Int32] = []
    /// Monotonic microseconds: when it was first sent, when the last attempt ended, when its oldest row has waited too long.
    var began: Int64 = 0
    var ended: Int64 = 0
    var deadline: Int64 = .max

    init(inputs: Schema, outputs: Schema) {
        self.inputs = ColumnBatch(inputs)
        results = outputs.fields.map { Column($0.type) }
    }

    /// A call outside any operator.
    public convenience init(inputs: Schema, outputs: Schema, rows: Int) {
        self.init(inputs: inputs, outputs: outputs)
        slots = (0..<Int32(rows)).map { $0 }
    }

    public var rows: Int { slots.count }
    var isDone: Bool {
        switch state {
        case .answered, .failed: true
        case .ready, .pausing, .running: false
        }
    }

    func clear() {
        slots.removeAll(keepingCapacity: true)
        request.clear()
        answer.clear()
        outcome = nil
        state = .ready
        attempts = 0
        deadline = .max
        began = 0
    }
}

/// What calls have come to since the last report.
public struct RemoteCounts: Hashable, Sendable {
    public var calls = 0
    public var rows = 0
    public var retries = 0
    /// Calls that failed for good.
    public var failures = 0
    /// Calls broken off at the deadline of `ML_PREDICT`.
    public var timeouts = 0
    public var breakerOpenings = 0

    public init() {}

    public static func += (a: inout RemoteCounts, b: RemoteCounts) {
        a.calls += b.calls
        a.rows += b.rows
        a.retries += b.retries
        a.failures += b.failures
        a.timeouts += b.timeouts
        a.breakerOpenings += b.breakerOpenings
    }
}
