import CLibpq
import Glibc
public import MillraceCore
public import MillraceRuntime

/// One shard's connection to one database: all its sinks' rows, dead letters and positions commit together.
///
/// One ticket is one implicit transaction in libpq's pipeline mode, one round trip: positions (which are the fence), rows,
/// dead letters, sync. At most `Limits.transactionsInFlight` are under way; meanwhile rows gather for the next. After a lost connection
/// the session connects again by itself and sends what had not committed; rows the server refuses are found by halving and
/// go to `millrace.dead_letter`. Single-threaded; `open`, `join`, `makeSink` and the search for refused rows wait for the
/// server, everything else does not.
public final class PostgresSession: SinkSession, CheckpointStore {
    enum State {
        case ready
        /// Waiting for the connection, until (monotonic microseconds); `isWriting` is what the socket is polled for.
        case connecting(until: Int64, isWriting: Bool)
        case waiting(until: Int64)
        case closed
    }

    /// What is under way up to one sync.
    enum Unit {
        case prepare
        case transaction
        /// Session settings, then our fence in `millrace.checkpoints`.
        case resynchronize
        /// Deletes what nobody needs any more; sent again with what has come since when it fails.
        case housekeeping
    }

    enum Recovery {
        case isolate
        case resynchronize
    }

    let address: PostgresAddress
    let limits: Limits
    let clock: any Clock
    let log: Log
    let shard: Int32
    let commitsSynchronously: Bool

    /// Where the rows being written come from; set by the engine, so that refused rows name their topic and offset.
    public weak var context: ShardContext?
    /// The plan's source names, as `ShardContext.source` indexes them.
    public var sourceNames: [SourceName] = []
    /// The operators whose state is stored, by number: names that stay the same as long as the plan does. Before `open`.
    public var stateOperators: [String] = []
    /// 'errors' of the plan's sources, for rows that the server refuses.
    public var errorPolicies: [ErrorPolicy] = []
    /// The first refused row of a source with 'errors' = 'fail'.
    var fatalRefusal: DeadLetter?
    /// Partition by source and partition index; asked only for refused rows.
    public var partition: ((_ source: Int, _ partition: Int) -> SourcePartition?)?
    /// Rows the server refused since the start.
    public internal(set) var refusedRows = 0
    /// Called for each row the server refused, once its transaction is durable; for counters.
    public var onRefusal: ((DeadLetter) -> Void)?
    /// Of the transaction that is being taken apart.
    var refusals: [DeadLetter] = []
    /// Changes with every new connection: watch the descriptor anew, it may have the same number.
    public internal(set) var connectionGeneration = 0
    /// The pipeline's epoch after `open` or `join`; 0 before.
    public internal(set) var epoch: Int64 = 0
    /// When the database first knew the pipeline: epochs of another one do not compare. Set by `open`.
    public internal(set) var incarnation = ""
    var pipeline = ""
    var pipelineBytes = ByteBuffer()

    /// Sinks in other systems whose messages commit with the rows; set by the engine before `open`.
    public var outboxes: [any Outbox] = [] {
        didSet { deletedFromOutbox = outboxes.map { _ in -1 } }
    }
    /// By outbox, the newest sequence that is deleted.
    var deletedFromOutbox: [Int64] = []
    var nextOutboxDeletion: Int64 = 0

    var connection: Connection?
    var state = State.ready
    var isPipelined = false
    var sinks: [PostgresSink] = []
    var prepared: Set<Statement> = []
    var current = SinkTransaction()
    var pages = PositionPages()
    /// Submitted and not yet durable, oldest first; the first `sentCount` are on the wire.
    var transactions: [SinkTransaction] = []
    var sentCount = 0
    var spares: [SinkTransaction] = []
    var units: [Unit] = []
    var unitFailure: ServerError?
    var resynchronized: (epoch: Int64, ticket: Int64)?
    var recovery: Recovery?
    var wantsFlush = false
    var durable: Int64 = -1
    var lastSubmitted: Int64 = -1
    var backoffMilliseconds = 50
    var resynchronizations = 0
    var lastRefusalLog = Int64.min
    var parameters = ParameterList()
    private var submittedRows = 0
    private var submittedBytes = 0
    private var currentRows = 0
    private var currentBytes = 0

    /// Connects and creates schema `millrace` if it is missing. Waits.
    ///
    /// - Parameters:
    ///   - shard: distinct among the sessions of one run; names the session's rows in `millrace.checkpoints`.
    ///   - commitsSynchronously: false lets a crash of the server lose its last commits (about 0.2 ms faster); the run then
    ///     stops and the next continues from the stored positions.
    public init(
        address: PostgresAddress, shard: Int = 0, commitsSynchronously: Bool = true, limits: Limits = Limits(),
        clock: any Clock = SystemClock(), log: Log = .silent
    ) throws(Diagnostic) {
        self.address = address
        self.shard = Int32(shard)
        self.commitsSynchronously = commitsSynchronously
        self.limits = limits
        self.clock = clock
        self.log = log
        let connection = try Connection.connect(address, commitsSynchronously: commitsSynchronously)
        try StateSchema.create(connection)
        PQsetnonblocking(connection.raw, 1)
        self.connection = connection
    }

    /// Adds a sink: describes its table in the database and checks the columns against it. Before the first `submit`.
    public func makeSink(_ plan: SinkPlan) throws(Diagnostic) -> PostgresSink {
        let connection = try idleConnection()
        // Tables of our own schema, `millrace.drift`, are made before the session opens it.
        if TableDescription.split(plan.options["table-name"] ?? plan.name).schema == "millrace" {
            try StateSchema.create(connection)
        }
        let sink = try PostgresSink(plan: plan, index: sinks.count, session: self, connection: connection)
        sinks.append(sink)
        current.blocks.append(RowBlock(sink.elementTypes))
        current.deletions.append(sink.makeDeletions())
        return sink
    }

    /// The connection outside pipeline mode, nothing under way.
    func idleConnection() throws(Diagnostic) -> Connection {
        guard let connection, units.isEmpty else {
            throw Diagnostic("the PostgreSQL session is not idle", fault: .bug)
        }
        leavePipeline(connection)
        return connection
    }

    func leavePipeline(_ connection: Connection) {
        guard isPipelined else { return }
        while PQexitPipelineMode(connection.raw) == 0 {
            guard let result = PQgetResult(connection.raw) else { break }
            PQclear(result)
        }
        isPipelined = false
    }

    // MARK: SinkSession

    public var descriptor: Int32 {
        guard let connection else { return -1 }
        return PQsocket(connection.raw)
    }

    public var wantsWrite: Bool {
        if case .connecting(_, let isWriting) = state { return isWriting }
        return wantsFlush
    }

    public var deadline: Int64? {
        switch state {
        case .connecting(let until, _), .waiting(let until): until
        case .ready, .closed: nil
        }
    }

    public var keepsDeadLetters: Bool { true }
    public var uncommittedRows: Int { submittedRows + currentRows }
    public var uncommittedBytes: Int { submittedBytes + currentBytes + current.changes.count }

    func took(rows: Int, bytes: Int) {
        currentRows += rows
        currentBytes += bytes
    }

    public var canSubmit: Bool {
        guard case .ready = state, recovery == nil else { return false }
        return transactions.count < limits.transactionsInFlight
    }

    public func submit(ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter])
        throws(Diagnostic)
    {
        precondition(epoch > 0, "submit before open or join")
        precondition(ticket > lastSubmitted, "tickets must ascend")
        let transaction = current
        current = spares.popLast() ?? SinkTransaction()
        while current.blocks.count < sinks.count {
            let sink = sinks[current.blocks.count]
            current.blocks.append(RowBlock(sink.elementTypes))
            current.deletions.append(sink.makeDeletions())
        }
        for sink in sinks { sink.coalesce(transaction) }
        for (source, list) in positions { pages.update(source, list) }
        pages.snapshot(into: transaction)
        for letter in deadLetters { SinkTransaction.append(letter, to: transaction.deadLetters) }
        transaction.ticket = ticket
        if !outboxes.isEmpty { fillOutbox(transaction) }
        transaction.previous = lastSubmitted
        lastSubmitted = ticket
        transaction.count()
        submittedRows += transaction.rows
        submittedBytes += transaction.bytes
        currentRows = 0
        currentBytes = 0
        transactions.append(transaction)
        sendPending()
    }

    /// The oldest transaction is durable: its memory is used again.
    func retireFirst() {
        let transaction = transactions.removeFirst()
        sentCount = max(0, sentCount - 1)
        durable = transaction.ticket
        if !outboxes.isEmpty { releaseOutbox(durable) }
        submittedRows -= transaction.rows
        submittedBytes -= transaction.bytes
        transaction.clear()
        spares.append(transaction)
        resynchronizations = 0
    }

    public func drive(now: Int64) throws(Diagnostic) -> Int64 {
        switch state {
        case .closed: break
        case .waiting(let until): if now >= until { startConnecting(now) }
        case .connecting(let until, _): try goOnConnecting(now, until: until)
        case .ready:
            try receive(now)
            deleteRelayed(now)
        }
        return durable
    }

    public func close(deadlineMicroseconds: Int64) throws(Diagnostic) {
        defer {
            connection = nil
            state = .closed
            units = []
        }
        deleteRelayed(clock.monotonicMicroseconds(), force: true)
        while !transactions.isEmpty || !units.isEmpty {
            let now = clock.monotonicMicroseconds()
            guard now < deadlineMicroseconds else {
                if transactions.isEmpty { break }
                throw Diagnostic(
                    "PostgreSQL did not confirm the last transactions in time",
                    hint: "Nothing is lost: the next start reads from the stored positions.", fault: .external)
            }
            _ = try drive(now: now)
            if transactions.isEmpty, units.isEmpty { break }
            waitForSocket(until: min(deadlineMicroseconds, deadline ?? .max))
        }
    }

    /// Sleeps until the descriptor is ready or the time has come, at most 100 ms.
    func waitForSocket(until: Int64) {
        let wait = max(0, min(100_000, until - clock.monotonicMicroseconds()))
        var events = Int16(POLLIN)
        if wantsWrite { events |= Int16(POLLOUT) }
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        _ = poll(&entry, 1, Int32((wait + 999) / 1000))
    }
}
