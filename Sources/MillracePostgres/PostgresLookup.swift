import CLibpq
import Glibc
public import MillraceCore
public import MillraceRuntime

/// The rows of one key: their wire form behind a header of lengths, in memory of its own.
private final class LookupEntry {
    let key: [UInt8]
    /// For each row and field: int32 length (-1 NULL), then bytes. Never moves: string cells point into it.
    let bytes: UnsafeMutableBufferPointer<UInt8>
    let rows: Int
    let written: Int64
    var used: Int64
    // Least recently used first.
    unowned(unsafe) var older: LookupEntry?
    unowned(unsafe) var newer: LookupEntry?

    init(key: [UInt8], wire: ByteRef, rows: Int, now: Int64) {
        self.key = key
        self.rows = rows
        bytes = .allocate(capacity: max(1, wire.count))
        if wire.count > 0 { bytes.baseAddress!.update(from: wire.start, count: wire.count) }
        written = now
        used = now
    }
    deinit { bytes.deallocate() }
}

/// Finds rows of a database table by key: one query for the distinct keys of a batch that no cache knows.
///
/// Waits for the database on a miss, and while FULL reads the whole table (at the start and every reload interval).
public final class PostgresLookup: LookupTable {
    private enum Cache: String { case none = "NONE", partial = "PARTIAL", full = "FULL" }

    private let plan: SourcePlan
    private let address: PostgresAddress
    private let clock: any Clock
    private let limits: Limits
    private let cache: Cache
    private let rowsMax: Int
    private let expireAfterWrite: Int64?
    private let expireAfterAccess: Int64?
    private let keepsMissing: Bool
    private let reloadInterval: Int64?
    private let attempts: Int
    private let keyFields: [Int]

    private var connection: Connection?
    private var decoders: [FieldDecoder] = []
    private var encoders: [ColumnEncoder] = []
    private var querySQL = ""
    private var allSQL = ""
    private var entries: [[UInt8]: LookupEntry] = [:]
    private var oldest: LookupEntry?
    private var newest: LookupEntry?
    private var loadedAt: Int64?
    /// Entries of the current call that no cache keeps, and those evicted in it: `result` points into them.
    private var borrowed: [LookupEntry] = []
    private var parameters = ParameterList()
    private let scratch = ByteBuffer()
    /// Queries sent since the start, for tests and metrics.
    public private(set) var queries = 0

    init(_ plan: SourcePlan, limits: Limits, clock: any Clock) throws(Diagnostic) {
        self.plan = plan
        self.limits = limits
        self.clock = clock
        address = PostgresAddress(options: plan.options)
        let options = plan.options
        cache = Cache(rawValue: (options["lookup.cache"] ?? "NONE").uppercased()) ?? .none
        rowsMax = max(1, options["lookup.partial-cache.max-rows"].flatMap { Int($0) } ?? 100_000)
        expireAfterWrite = options["lookup.partial-cache.expire-after-write"].flatMap(OptionValue.microseconds)
        expireAfterAccess = options["lookup.partial-cache.expire-after-access"].flatMap(OptionValue.microseconds)
        keepsMissing =
            (options["lookup.partial-cache.cache-missing-key"] ?? options["lookup.cache-missing-key"])
            .flatMap(OptionValue.boolean) ?? true
        reloadInterval = options["lookup.full-cache.periodic-reload.interval"].flatMap(OptionValue.microseconds)
        attempts = 1 + max(0, options["lookup.max-retries"].flatMap { Int($0) } ?? 3)
        keyFields = plan.lookupKeys ?? []
        try connect()
        if cache == .full { try load(clock.monotonicMicroseconds()) }
    }

    private func connect() throws(Diagnostic) {
        let connection = try Connection.connect(address)
        let (table, decoders) = try PostgresConnector.describe(plan, connection)
        self.decoders = decoders
        encoders = []
        var conditions: [String] = []
        for (i, key) in keyFields.enumerated() {
            let field = plan.fields[key]
            let column = table.column(field.name)!
            guard let encoder = ColumnEncoder(field.type, target: column) else {
                throw Diagnostic(
                    "lookup key \"\(field.name)\" is \(field.type) in the pipeline but \(column.typeName) in the database",
                    hint: "Declare the column with the type that the database has.")
            }
            encoders.append(encoder)
            let cast = encoder.cast ?? (column.type == TypeOID.bpchar ? "bpchar" : nil)
            conditions.append("t.\(column.name.quotedIdentifier) = u.k\(i)" + (cast.map { "::" + $0 } ?? ""))
        }
        let list = decoders.map(\.expression).joined(separator: ", ")
        let arrays = encoders.enumerated().map { "$\($0 + 1)::\($1.arrayTypeName)" }.joined(separator: ", ")
        let names = encoders.indices.map { "k\($0)" }.joined(separator: ", ")
        querySQL = """
            SELECT u.i, \(list) FROM unnest(\(arrays)) WITH ORDINALITY AS u(\(names), i) \
            JOIN \(table.sqlName) AS t ON \(conditions.joined(separator: " AND ")) ORDER BY u.i
            """
        allSQL = "SELECT \(list) FROM \(table.sqlName) AS t"
        self.connection = connection
    }

    public func lookup(keys: [Column], rows: Int, into result: ColumnBatch, matches: inout JoinMatches)
        throws(Diagnostic)
    {
        result.clear()
        matches.clear()
        borrowed.removeAll(keepingCapacity: true)
        let now = clock.monotonicMicroseconds()
        // The rows' entries; nil for NULL keys, and for missing ones until the query has answered.
        var found: [LookupEntry?] = Array(repeating: nil, count: rows)
        var wanted: [[UInt8]: [Int]] = [:]
        var order: [Int32] = []
        for row in 0..<rows where keys.allSatisfy({ $0.isValid(row) }) {
            let key = encodeKey(keys, row)
            if let entry = entries[key] {
                if isFresh(entry, now) {
                    if cache == .partial { touch(entry, now) }
                    found[row] = entry
                    continue
                }
                remove(entry)
            }
            if cache == .full { continue }
            if wanted[key] == nil { order.append(Int32(row)) }
            wanted[key, default: []].append(row)
        }
        if !order.isEmpty {
            try query(keys, order, now) { key, entry in
                for row in wanted[key] ?? [] { found[row] = entry }
            }
        }
        // Several probes of one key share the build rows.
        var placed: [ObjectIdentifier: Int32] = [:]
        for row in 0..<rows {
            guard let entry = found[row], entry.rows > 0 else { continue }
            let start: Int32
            if let known = placed[ObjectIdentifier(entry)] {
                start = known
            } else {
                start = Int32(result.count)
                placed[ObjectIdentifier(entry)] = start
                append(entry, to: result)
            }
            for i in 0..<Int32(entry.rows) { matches.append(probe: Int32(row), build: start + i) }
        }
    }

    public func maintain(now: Int64) throws(Diagnostic) {
        guard cache == .full, let reloadInterval, let loadedAt, now - loadedAt >= reloadInterval else { return }
        try load(now)
    }

    public func close() {
        connection = nil
        clear()
    }

    private func append(_ entry: LookupEntry, to result: ColumnBatch) {
        var position = 0
        let base = UnsafePointer(entry.bytes.baseAddress!)
        for _ in 0..<entry.rows {
            for (i, decoder) in decoders.enumerated() {
                let length = Int(
                    Int32(bigEndian: UnsafeRawPointer(base).loadUnaligned(fromByteOffset: position, as: Int32.self)))
                position += 4
                decoder.append(
                    length < 0 ? .absent : ByteRef(start: base + position, count: length), to: result.columns[i])
                position += max(0, length)
            }
        }
        result.count += entry.rows
    }

    /// Lengths and bytes of the key cells: equal keys, equal bytes.
    private func encodeKey(_ columns: [Column], _ row: Int) -> [UInt8] {
        scratch.clear()
        for column in columns {
            switch column.layout {
            case .bytes:
                let bytes = column.refs[row]
                UnsafeMutableRawPointer(scratch.reserve(8)).storeBytes(of: bytes.count, as: Int.self)
                scratch.commit(8)
                scratch.append(bytes)
            case .decimal:
                UnsafeMutableRawPointer(scratch.reserve(16)).storeBytes(of: column.decimals[row], as: Int128.self)
                scratch.commit(16)
            case .double:
                // 0.0 and -0.0 are equal.
                UnsafeMutableRawPointer(scratch.reserve(8)).storeBytes(of: column.doubles[row] + 0.0, as: Double.self)
                scratch.commit(8)
            default:
                UnsafeMutableRawPointer(scratch.reserve(8)).storeBytes(of: column.ints[row], as: Int64.self)
                scratch.commit(8)
            }
        }
        return scratch.bytes.array
    }

    // MARK: Cache

    private func isFresh(_ entry: LookupEntry, _ now: Int64) -> Bool {
        if let expireAfterWrite, now - entry.written >= expireAfterWrite { return false }
        if let expireAfterAccess, now - entry.used >= expireAfterAccess { return false }
        return true
    }

    private func clear() {
        entries.removeAll()
        oldest = nil
        newest = nil
    }

    private func unlink(_ entry: LookupEntry) {
        if let older = entry.older { older.newer = entry.newer } else if oldest === entry { oldest = entry.newer }
        if let newer = entry.newer { newer.older = entry.older } else if newest === entry { newest = entry.older }
        entry.older = nil
        entry.newer = nil
    }

    private func link(_ entry: LookupEntry) {
        entry.older = newest
        newest?.newer = entry
        newest = entry
        if oldest == nil { oldest = entry }
    }

    private func touch(_ entry: LookupEntry, _ now: Int64) {
        entry.used = now
        guard newest !== entry else { return }
        unlink(entry)
        link(entry)
    }

    private func remove(_ entry: LookupEntry) {
        unlink(entry)
        entries[entry.key] = nil
        // Rows of this batch may still point into it.
        borrowed.append(entry)
    }

    private func keep(_ entry: LookupEntry) {
        guard cache == .partial, entry.rows > 0 || keepsMissing else { return borrowed.append(entry) }
        while entries.count >= rowsMax, let last = oldest { remove(last) }
        entries[entry.key] = entry
        link(entry)
    }

    // MARK: Database

    private func query(
        _ keys: [Column], _ order: [Int32], _ now: Int64, _ deliver: ([UInt8], LookupEntry) -> Void
    ) throws(Diagnostic) {
        // Keys that the database's type cannot hold match nothing and are not sent.
        var verdicts = [UInt8](repeating: 0, count: keys.first?.count ?? 0)
        verdicts.withUnsafeMutableBufferPointer { verdicts in
            for (encoder, column) in zip(encoders, keys) {
                encoder.check(column, rows: column.count, verdicts: verdicts.baseAddress!) { _, _, _ in }
            }
        }
        let sent = order.filter { verdicts[Int($0)] == 0 }
        let block = RowBlock(encoders.map(\.elementType))
        sent.withUnsafeBufferPointer { selection in
            for (i, encoder) in encoders.enumerated() {
                if encoder.encode(keys[i], selection, into: block.buffers[i]) { block.hasNull[i] = true }
            }
        }
        block.rows = sent.count
        let result =
            sent.isEmpty
            ? nil
            : try retrying { (connection) throws(ServerError) in
                self.parameters.clear()
                self.parameters.append(block)
                return try connection.check(
                    PQexecParams(
                        connection.raw, self.querySQL, self.parameters.count, nil, self.parameters.values,
                        self.parameters.lengths, self.parameters.formats, 1))
            }
        var row = 0
        for (ordinal, probe) in sent.enumerated() {
            let first = row
            while let result, row < result.rows, FieldDecoderOrdinal.read(result.bytes(row, 0)) == ordinal + 1 {
                row += 1
            }
            let entry = makeEntry(encodeKey(keys, Int(probe)), result, first..<row, firstField: 1, now)
            keep(entry)
            deliver(entry.key, entry)
        }
    }

    private func makeEntry(_ key: [UInt8], _ result: QueryResult?, _ rows: Range<Int>, firstField: Int, _ now: Int64)
        -> LookupEntry
    {
        scratch.clear()
        if let result {
            for row in rows {
                for field in decoders.indices {
                    let bytes = result.bytes(row, field + firstField)
                    UnsafeMutableRawPointer(scratch.reserve(4)).storeBytes(
                        of: Int32(bytes.count).bigEndian, as: Int32.self)
                    scratch.commit(4)
                    scratch.append(bytes)
                }
            }
        }
        return LookupEntry(key: key, wire: scratch.bytes, rows: rows.count, now: now)
    }

    /// Reads the whole table and then replaces what was there.
    private func load(_ now: Int64) throws(Diagnostic) {
        let result = try retrying { (connection) throws(ServerError) in
            try connection.query(self.allSQL, isBinary: true)
        }
        guard result.rows <= limits.staticRows else {
            throw Diagnostic(
                "lookup table \"\(plan.name)\" has more than \(limits.staticRows) rows, the limit of a full cache",
                hint: "Use 'lookup.cache' = 'PARTIAL'.")
        }
        let columns = keyFields.map { Column(plan.fields[$0].type, capacity: result.rows) }
        var groups: [[UInt8]: [Int]] = [:]
        for row in 0..<result.rows {
            for (column, field) in zip(columns, keyFields) {
                decoders[field].append(result.bytes(row, field), to: column)
            }
            if columns.allSatisfy({ $0.isValid(row) }) { groups[encodeKey(columns, row), default: []].append(row) }
        }
        clear()
        for (key, rows) in groups {
            scratch.clear()
            for row in rows {
                for field in decoders.indices {
                    let bytes = result.bytes(row, field)
                    UnsafeMutableRawPointer(scratch.reserve(4)).storeBytes(
                        of: Int32(bytes.count).bigEndian, as: Int32.self)
                    scratch.commit(4)
                    scratch.append(bytes)
                }
            }
            entries[key] = LookupEntry(key: key, wire: scratch.bytes, rows: rows.count, now: now)
        }
        loadedAt = now
    }

    private func retrying(_ body: (Connection) throws(ServerError) -> QueryResult) throws(Diagnostic) -> QueryResult {
        var last: Diagnostic?
        for attempt in 0..<attempts {
            if attempt > 0 { usleep(UInt32(min(100 << attempt, limits.retryBackoffMillisecondsMax)) * 1000) }
            if connection == nil {
                do { try connect() } catch {
                    last = error
                    continue
                }
            }
            guard let connection else { continue }
            do {
                queries += 1
                return try body(connection)
            } catch {
                last = error.diagnostic("lookup in table \"\(plan.name)\" failed")
                if error.kind == .permanent || error.kind == .data { throw last! }
                if connection.isBroken { self.connection = nil }
            }
        }
        throw last ?? Diagnostic("lookup in table \"\(plan.name)\" failed", fault: .external)
    }
}

/// `WITH ORDINALITY` counts from 1 in int8.
private enum FieldDecoderOrdinal {
    static func read(_ bytes: ByteRef) -> Int {
        Int(Int64(bigEndian: UnsafeRawPointer(bytes.start).loadUnaligned(as: Int64.self)))
    }
}
