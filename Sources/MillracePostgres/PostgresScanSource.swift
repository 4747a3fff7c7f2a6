import CLibpq
public import MillraceCore
public import MillraceRuntime

/// Reads a table once, from a snapshot, row by row as the server sends them: the static side of a join, or a bounded input.
///
/// One partition; an offset is a row number of this scan, so a scan cannot be taken up midway.
public final class PostgresScanSource: Source {
    private let plan: SourcePlan
    private let address: PostgresAddress
    private let limits: Limits
    private var connection: Connection?
    private var decoders: [FieldDecoder] = []
    private var nextRow: Int64 = 0
    private var isFinished = false
    public let partitions: [SourcePartition]

    init(_ plan: SourcePlan, limits: Limits) {
        self.plan = plan
        self.limits = limits
        address = PostgresAddress(options: plan.options)
        partitions = [SourcePartition(topic: plan.options["table-name"] ?? plan.name, partition: 0)]
    }

    public var descriptor: Int32 { connection.map { PQsocket($0.raw) } ?? -1 }
    public func isAtEnd(partition: Int) -> Bool { isFinished }
    public func nextOffset(partition: Int) -> Int64 { nextRow }
    public func committed(_ positions: [SourcePosition]) {}
    public func close() { connection = nil }

    public func start(from positions: [SourcePosition]) throws(Diagnostic) {
        let connection = try Connection.connect(address)
        let name = partitions[0].topic
        let table: TableDescription?
        do {
            table = try TableDescription.read(name, connection)
        } catch {
            throw error.diagnostic("could not describe table \"\(name)\"")
        }
        guard let table else { throw PostgresConnector.missingTable(name) }
        decoders = []
        for field in plan.fields { decoders.append(try FieldDecoder(field, table: table, tableName: name)) }
        // A plan that needs no column (COUNT(*)) still counts rows.
        let list = decoders.isEmpty ? "NULL" : decoders.map(\.expression).joined(separator: ", ")
        guard
            PQsendQueryParams(
                connection.raw, "SELECT \(list) FROM \(table.sqlName) AS t", 0, nil, nil, nil, nil, 1) == 1,
            PQsetSingleRowMode(connection.raw) == 1
        else { throw connection.error.diagnostic("could not read table \"\(name)\"") }
        self.connection = connection
    }

    public func poll(into batch: SourceBatch) throws(Diagnostic) -> SourceStatus {
        batch.clear()
        guard !isFinished, let connection else { return .finished }
        let raw = connection.raw
        guard PQconsumeInput(raw) == 1 else {
            throw connection.error.diagnostic("could not read table \"\(plan.name)\"")
        }
        while batch.rows.count < limits.batchRows {
            if PQisBusy(raw) == 1 { return .drained }
            guard let pointer = PQgetResult(raw) else {
                isFinished = true
                self.connection = nil
                return .finished
            }
            let result: QueryResult
            do {
                result = try connection.check(pointer)
            } catch {
                throw error.diagnostic("could not read table \"\(plan.name)\"")
            }
            for row in 0..<result.rows { append(result, row, to: batch) }
        }
        return .more
    }

    private func append(_ result: QueryResult, _ row: Int, to batch: SourceBatch) {
        for (i, decoder) in decoders.enumerated() {
            decoder.append(batch.arena.copy(result.bytes(row, i)), to: batch.rows.columns[i])
        }
        batch.rows.metadata.reserve(batch.rows.count + 1)
        batch.rows.metadata.origins[batch.rows.count] = Int32(batch.records.count)
        batch.rows.metadata.watermarks[batch.rows.count] = EventTime.none
        batch.records.append(partition: 0, offset: nextRow, timestamp: .min, key: .absent, value: .absent)
        batch.rows.count += 1
        nextRow += 1
    }
}
