import MillraceCore

/// Reads one column of binary results into cells: the query casts the database's column to the wire type of the plan's.
struct FieldDecoder {
    let type: DataType
    /// For the SELECT list: `t."price"::numeric(10, 2)`.
    let expression: String

    /// - Throws: `.user` when the database's column cannot be read as the plan's type.
    init(_ field: SourceField, table: TableDescription, tableName: String) throws(Diagnostic) {
        guard case .physical(let path) = field.origin, path.count == 1, let column = table.column(path[0]) else {
            throw Diagnostic(
                "table \"\(tableName)\" in the database has no column \"\(field.name)\"",
                hint: NearestName.hint(field.name, in: table.columns.map(\.name))
                    ?? "Its columns are \(table.columns.map(\.name).joined(separator: ", ")).")
        }
        let source = column.type
        let integers = [TypeOID.int2, TypeOID.int4, TypeOID.int8]
        let numbers = integers + [TypeOID.numeric, TypeOID.float4, TypeOID.float8]
        let wire: String?
        switch field.type {
        case .boolean: wire = source == TypeOID.bool ? "bool" : nil
        case .tinyInt, .smallInt, .integer, .bigInt: wire = integers.contains(source) ? "int8" : nil
        case .float: wire = numbers.contains(source) ? "float4" : nil
        case .double: wire = numbers.contains(source) ? "float8" : nil
        case .decimal(let precision, let scale):
            wire = (integers + [TypeOID.numeric]).contains(source) ? "numeric(\(precision),\(scale))" : nil
        // Everything has a text form: UUIDs, enums, JSON.
        case .char, .varchar: wire = source == TypeOID.bytea ? nil : "text"
        case .binary, .varbinary: wire = source == TypeOID.bytea ? "bytea" : nil
        case .date: wire = source == TypeOID.date ? "date" : nil
        case .time: wire = source == TypeOID.time ? "time" : nil
        case .timestamp, .timestampLTZ:
            wire = [TypeOID.timestamp, TypeOID.timestamptz, TypeOID.date].contains(source) ? "timestamptz" : nil
        default: wire = nil
        }
        guard let wire else {
            throw Diagnostic(
                "column \"\(field.name)\" is \(field.type) in the pipeline but \(column.typeName) in table \"\(tableName)\"",
                hint: "Declare the column with the type that the database has.")
        }
        type = field.type
        expression = "t.\(column.name.quotedIdentifier)::\(wire)"
    }

    /// Appends the value (`absent` is NULL). String cells borrow `bytes`; pass them through an arena if they must last.
    func append(_ bytes: ByteRef, to column: Column) {
        guard !bytes.isAbsent else { return column.appendNull() }
        let raw = UnsafeRawPointer(bytes.start)
        func long() -> Int64 { Int64(bigEndian: raw.loadUnaligned(as: Int64.self)) }
        switch type {
        case .boolean: column.append(int: bytes.start[0] == 0 ? 0 : 1)
        case .tinyInt, .smallInt, .integer, .bigInt, .time: column.append(int: long())
        case .float:
            column.append(double: Double(Float(bitPattern: UInt32(bigEndian: raw.loadUnaligned(as: UInt32.self)))))
        case .double: column.append(double: Double(bitPattern: UInt64(bitPattern: long())))
        case .decimal(_, let scale):
            // NaN has no DECIMAL.
            if let value = NumericBinary.parse(bytes, scale: scale) {
                column.append(decimal: value)
            } else {
                column.appendNull()
            }
        case .date:
            column.append(int: Int64(Int32(bigEndian: raw.loadUnaligned(as: Int32.self))) + ColumnEncoder.epochDays)
        case .timestamp, .timestampLTZ:
            // Infinity stays at the ends.
            let (sum, overflow) = long().addingReportingOverflow(ColumnEncoder.epochMicroseconds)
            column.append(int: overflow ? .max : sum)
        default: column.append(bytes: bytes)
        }
    }
}
