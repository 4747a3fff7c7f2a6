public import MillraceCore

extension PostgresConnector {
    /// Rows of a sink's table that belong to these records.
    ///
    /// - Parameters:
    ///   - partition: name of the column with the record's partition; `offset`: that with its offset.
    ///   - topic: a further column, and the value it must have.
    ///   - ranges: offsets by partition.
    /// - Throws: `.external` when the database cannot be asked, `.user` when the table or a column is not there.
    public static func countRows(
        _ sink: SinkPlan, partition: String, offset: String, topic: (column: String, value: String)?,
        in ranges: [Int32: Range<Int64>]
    ) throws(Diagnostic) -> Int {
        guard !ranges.isEmpty else { return 0 }
        let name = sink.options["table-name"] ?? sink.name
        let connection = try Connection.connect(PostgresAddress(options: sink.options))
        do {
            guard let table = try TableDescription.read(name, connection) else { throw missingTable(name) }
            func column(_ name: String) -> String { (table.column(name)?.name ?? name).quotedIdentifier }
            let places = ranges.map { partitionNumber, offsets in
                "\(column(partition)) = \(partitionNumber) AND \(column(offset)) >= \(offsets.lowerBound) "
                    + "AND \(column(offset)) < \(offsets.upperBound)"
            }
            var condition = "(" + places.joined(separator: " OR ") + ")"
            if let topic { condition += " AND \(column(topic.column)) = $1" }
            let result = try connection.query(
                "SELECT count(*) FROM \(table.sqlName) WHERE \(condition)", topic.map { [$0.value] } ?? [])
            return Int(result.integer(0, 0) ?? 0)
        } catch let error as ServerError {
            throw error.diagnostic("could not count the rows of table \"\(name)\"")
        } catch let error as Diagnostic {
            throw error
        } catch {
            throw Diagnostic("could not count the rows of table \"\(name)\"", fault: .bug)
        }
    }
}
