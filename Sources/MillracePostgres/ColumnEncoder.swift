import Glibc
import MillraceCore

/// Writes one column of a batch as elements of a binary array of the target column's type.
struct ColumnEncoder {
    enum Form {
        case bool, int2, int4, int8, float4, float8, doubleFromInteger, doubleFromDecimal
        case numericFromInteger, numericFromDecimal(scale: Int)
        case text, bytea, uuid, date, time, timestamp, timestampFromDate, months, microseconds, json, null
    }

    /// Microseconds from 1970 to 2000, PostgreSQL's epoch.
    static let epochMicroseconds: Int64 = 946_684_800_000_000
    static let epochDays: Int64 = 10_957
    /// `MIN_TIMESTAMP` and `END_TIMESTAMP` of PostgreSQL's `timestamp.h`, on its own epoch.
    static let timestampRange: Range<Int64> = -211_813_488_000_000_000..<9_223_371_331_200_000_000
    /// From 4714-11-24 BC (Julian day 0) to 5874897-12-31, on PostgreSQL's epoch.
    static let dateRange: ClosedRange<Int64> = -2_451_545...2_145_031_948

    let name: String
    let form: Form
    let isNotNull: Bool
    let maxCharacters: Int?
    /// Type of the array's elements.
    let elementType: UInt32
    /// The array's type in SQL.
    let arrayTypeName: String
    /// Cast from the element to the column's type; nil when the assignment does it.
    let cast: String?

    /// Nil when values of `type` do not go into the column.
    init?(_ type: DataType, target: TableDescription.Column) {
        name = target.name
        isNotNull = target.isNotNull
        maxCharacters = target.maxCharacters
        typealias Choice = (form: Form, element: UInt32, array: String, cast: String?)
        let choice: Choice?
        let isText = type.isCharacter
        switch target.type {
        case TypeOID.bool: choice = type == .boolean ? (.bool, TypeOID.bool, "bool[]", nil) : nil
        case TypeOID.int2: choice = type.isInteger ? (.int2, TypeOID.int2, "int2[]", nil) : nil
        case TypeOID.int4: choice = type.isInteger ? (.int4, TypeOID.int4, "int4[]", nil) : nil
        case TypeOID.int8: choice = type.isInteger ? (.int8, TypeOID.int8, "int8[]", nil) : nil
        case TypeOID.float4: choice = type.isApproximate ? (.float4, TypeOID.float4, "float4[]", nil) : nil
        case TypeOID.float8:
            switch type.layout {
            case .double: choice = (.float8, TypeOID.float8, "float8[]", nil)
            case .decimal: choice = (.doubleFromDecimal, TypeOID.float8, "float8[]", nil)
            default: choice = type.isInteger ? (.doubleFromInteger, TypeOID.float8, "float8[]", nil) : nil
            }
        case TypeOID.numeric:
            if case .decimal(_, let scale) = type {
                choice = (.numericFromDecimal(scale: scale), TypeOID.numeric, "numeric[]", nil)
            } else {
                choice = type.isInteger ? (.numericFromInteger, TypeOID.numeric, "numeric[]", nil) : nil
            }
        case TypeOID.text, TypeOID.varchar, TypeOID.bpchar, TypeOID.name:
            choice = isText ? (.text, TypeOID.text, "text[]", nil) : nil
        case TypeOID.bytea: choice = type.isBinary ? (.bytea, TypeOID.bytea, "bytea[]", nil) : nil
        case TypeOID.date: choice = type == .date ? (.date, TypeOID.date, "date[]", nil) : nil
        case TypeOID.time:
            if case .time = type { choice = (.time, TypeOID.time, "time[]", nil) } else { choice = nil }
        case TypeOID.timestamp, TypeOID.timestamptz:
            let isZoned = target.type == TypeOID.timestamptz
            let array = isZoned ? "timestamptz[]" : "timestamp[]"
            if type.isTimestamp {
                choice = (.timestamp, target.type, array, nil)
            } else {
                choice = type == .date && !isZoned ? (.timestampFromDate, target.type, array, nil) : nil
            }
        case TypeOID.interval:
            switch type {
            case .intervalYearMonth: choice = (.months, TypeOID.interval, "interval[]", nil)
            case .intervalDayTime: choice = (.microseconds, TypeOID.interval, "interval[]", nil)
            default: choice = nil
            }
        case TypeOID.json, TypeOID.jsonb:
            let cast = target.type == TypeOID.json ? "json" : "jsonb"
            // A string is taken for JSON text; everything else becomes JSON.
            choice = (isText ? .text : .json, TypeOID.text, "text[]", cast)
        case TypeOID.uuid: choice = isText ? (.uuid, TypeOID.uuid, "uuid[]", nil) : nil
        default:
            // Enums, network addresses and the like are made from their text; the server judges each.
            choice = isText ? (.text, TypeOID.text, "text[]", target.baseTypeName) : nil
        }
        if type == .null {
            form = .null
            elementType = TypeOID.text
            arrayTypeName = "text[]"
            cast = target.baseTypeName
            return
        }
        guard let choice else { return nil }
        form = choice.form
        elementType = choice.element
        arrayTypeName = choice.array
        cast = choice.cast
    }

    /// Finds the rows that the column cannot take. `verdicts` holds one byte a row; a row once refused stays so.
    func check(
        _ column: Column, rows: Int, verdicts: UnsafeMutablePointer<UInt8>, refuse: (Int, RowErrorCode, String) -> Void
    ) {
        func mark(_ row: Int, _ code: RowErrorCode, _ detail: String) {
            guard verdicts[row] == 0 else { return }
            verdicts[row] = 1
            refuse(row, code, "column \"\(name)\": \(detail)")
        }
        if !column.allValid {
            for row in 0..<rows where column.states[row] != CellState.valid {
                let state = column.states[row]
                if state != CellState.null {
                    mark(row, RowErrorCode(rawValue: state) ?? .invalidArgument, "its expression failed")
                } else if isNotNull {
                    mark(row, .notNullViolation, "NULL in a NOT NULL column")
                }
            }
        }
        func checkIntegers(_ range: ClosedRange<Int64>) {
            let values = column.ints
            for row in 0..<rows where values[row] < range.lowerBound || values[row] > range.upperBound {
                if column.states[row] == CellState.valid { mark(row, .numericOverflow, "out of the type's range") }
            }
        }
        switch form {
        case .int2: checkIntegers(-32768...32767)
        case .int4: checkIntegers(-2_147_483_648...2_147_483_647)
        case .months: checkIntegers(-2_147_483_648...2_147_483_647)
        case .float4:
            let values = column.doubles
            for row in 0..<rows where values[row].isFinite && !Float(values[row]).isFinite {
                if column.states[row] == CellState.valid { mark(row, .numericOverflow, "out of the type's range") }
            }
        case .date:
            checkIntegers(
                (ColumnEncoder.dateRange.lowerBound + ColumnEncoder.epochDays)...(ColumnEncoder.dateRange.upperBound
                    + ColumnEncoder.epochDays))
        case .timestampFromDate:
            // 4713 BC to 294276 AD.
            checkIntegers(-2_440_588...106_751_991)
        case .time: checkIntegers(0...86_400_000_000)
        case .timestamp:
            let low = ColumnEncoder.timestampRange.lowerBound + ColumnEncoder.epochMicroseconds
            // The upper bound on the epoch of 1970 lies beyond Int64.
            checkIntegers(low...Int64.max)
        case .text:
            for row in 0..<rows where column.states[row] == CellState.valid {
                let text = column.refs[row]
                if text.count > 0, memchr(text.start, 0, text.count) != nil {
                    mark(row, .rejectedBySink, "text with a NUL character")
                } else if let maxCharacters, text.count > maxCharacters, ColumnEncoder.characters(text) > maxCharacters
                {
                    mark(row, .rejectedBySink, "longer than \(maxCharacters) characters")
                }
            }
        case .uuid:
            for row in 0..<rows where column.states[row] == CellState.valid {
                if ColumnEncoder.uuid(column.refs[row], into: nil) == false { mark(row, .rejectedBySink, "not a UUID") }
            }
        default: break
        }
    }

    /// Characters beyond trailing blanks, which PostgreSQL cuts by itself.
    private static func characters(_ text: ByteRef) -> Int {
        var end = text.count
        while end > 0, text.start[end - 1] == UInt8(ascii: " ") { end -= 1 }
        var count = 0
        for i in 0..<end where text.start[i] & 0xC0 != 0x80 { count += 1 }
        return count
    }

    /// Reads 32 hex digits with or without hyphens.
    static func uuid(_ text: ByteRef, into target: UnsafeMutableRawPointer?) -> Bool {
        var digits = 0
        var byte: UInt8 = 0
        for character in text.buffer {
            let value: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = character - UInt8(ascii: "A") + 10
            case UInt8(ascii: "-") where digits > 0 && digits % 4 == 0: continue
            default: return false
            }
            guard digits < 32 else { return false }
            byte = byte << 4 | value
            digits += 1
            if digits % 2 == 0 { target?.storeBytes(of: byte, toByteOffset: digits / 2 - 1, as: UInt8.self) }
        }
        return digits == 32
    }

    /// Appends the selected rows' cells, which `check` has passed; returns whether one is NULL.
    func encode(_ column: Column, _ selection: UnsafeBufferPointer<Int32>, into buffer: ByteBuffer) -> Bool {
        switch form {
        case .null: return fixed(column, selection, buffer, 4) { _, _ in }
        case .bool:
            return fixed(column, selection, buffer, 1) { target, row in
                target.storeBytes(of: column.ints[row] != 0 ? 1 : 0, as: UInt8.self)
            }
        case .int2:
            return fixed(column, selection, buffer, 2) { target, row in
                target.storeBytes(of: Int16(truncatingIfNeeded: column.ints[row]).bigEndian, as: Int16.self)
            }
        case .int4:
            return fixed(column, selection, buffer, 4) { target, row in
                target.storeBytes(of: Int32(truncatingIfNeeded: column.ints[row]).bigEndian, as: Int32.self)
            }
        case .int8, .time:
            return fixed(column, selection, buffer, 8) { target, row in
                target.storeBytes(of: column.ints[row].bigEndian, as: Int64.self)
            }
        case .float4:
            return fixed(column, selection, buffer, 4) { target, row in
                target.storeBytes(of: Float(column.doubles[row]).bitPattern.bigEndian, as: UInt32.self)
            }
        case .float8:
            return fixed(column, selection, buffer, 8) { target, row in
                target.storeBytes(of: column.doubles[row].bitPattern.bigEndian, as: UInt64.self)
            }
        case .doubleFromInteger:
            return fixed(column, selection, buffer, 8) { target, row in
                target.storeBytes(of: Double(column.ints[row]).bitPattern.bigEndian, as: UInt64.self)
            }
        case .doubleFromDecimal:
            let scale: Int = if case .decimal(_, let scale) = column.type { scale } else { 0 }
            let divisor = Double(DecimalMath.power10(scale))
            return fixed(column, selection, buffer, 8) { target, row in
                target.storeBytes(of: (Double(column.decimals[row]) / divisor).bitPattern.bigEndian, as: UInt64.self)
            }
        case .date:
            return fixed(column, selection, buffer, 4) { target, row in
                let days = column.ints[row] - ColumnEncoder.epochDays
                target.storeBytes(of: Int32(truncatingIfNeeded: days).bigEndian, as: Int32.self)
            }
        case .timestamp:
            return fixed(column, selection, buffer, 8) { target, row in
                target.storeBytes(of: (column.ints[row] - ColumnEncoder.epochMicroseconds).bigEndian, as: Int64.self)
            }
        case .timestampFromDate:
            return fixed(column, selection, buffer, 8) { target, row in
                let value = (column.ints[row] - ColumnEncoder.epochDays) * 86_400_000_000
                target.storeBytes(of: value.bigEndian, as: Int64.self)
            }
        case .months:
            return fixed(column, selection, buffer, 16) { target, row in
                target.storeBytes(of: 0, as: Int64.self)
                target.storeBytes(of: 0, toByteOffset: 8, as: Int32.self)
                let months = Int32(truncatingIfNeeded: column.ints[row])
                target.storeBytes(of: months.bigEndian, toByteOffset: 12, as: Int32.self)
            }
        case .microseconds:
            return fixed(column, selection, buffer, 16) { target, row in
                target.storeBytes(of: column.ints[row].bigEndian, as: Int64.self)
                target.storeBytes(of: 0, toByteOffset: 8, as: Int64.self)
            }
        case .uuid:
            return fixed(column, selection, buffer, 16) { target, row in
                _ = ColumnEncoder.uuid(column.refs[row], into: target)
            }
        case .text, .bytea: return encodeBytes(column, selection, buffer)
        case .numericFromInteger:
            return variable(column, selection, buffer) { row in
                NumericBinary.append(Int128(column.ints[row]), scale: 0, to: buffer)
            }
        case .numericFromDecimal(let scale):
            return variable(column, selection, buffer) { row in
                NumericBinary.append(column.decimals[row], scale: scale, to: buffer)
            }
        case .json:
            return variable(column, selection, buffer) { row in
                let start = buffer.count
                _ = buffer.reserve(4)
                buffer.commit(4)
                JSONText.append(column, row, to: buffer)
                let length = Int32(buffer.count - start - 4)
                UnsafeMutableRawPointer(buffer.start + start).storeBytes(of: length.bigEndian, as: Int32.self)
            }
        }
    }

    @inline(__always)
    private func fixed(
        _ column: Column, _ selection: UnsafeBufferPointer<Int32>, _ buffer: ByteBuffer, _ size: Int,
        _ store: (UnsafeMutableRawPointer, Int) -> Void
    ) -> Bool {
        var target = UnsafeMutableRawPointer(buffer.reserve(selection.count * (4 + size)))
        let start = target
        let states = column.states
        let length = Int32(size).bigEndian
        var hasNull = false
        for index in selection {
            let row = Int(index)
            if states[row] == CellState.valid {
                target.storeBytes(of: length, as: Int32.self)
                store(target + 4, row)
                target += 4 + size
            } else {
                target.storeBytes(of: -1, as: Int32.self)
                target += 4
                hasNull = true
            }
        }
        buffer.commit(target - start)
        return hasNull
    }

    @inline(__always)
    private func variable(
        _ column: Column, _ selection: UnsafeBufferPointer<Int32>, _ buffer: ByteBuffer, _ append: (Int) -> Void
    ) -> Bool {
        var hasNull = false
        for index in selection {
            if column.states[Int(index)] == CellState.valid {
                append(Int(index))
            } else {
                UnsafeMutableRawPointer(buffer.reserve(4)).storeBytes(of: -1, as: Int32.self)
                buffer.commit(4)
                hasNull = true
            }
        }
        return hasNull
    }

    private func encodeBytes(_ column: Column, _ selection: UnsafeBufferPointer<Int32>, _ buffer: ByteBuffer) -> Bool {
        var total = 0
        let refs = column.refs
        for index in selection { total += 4 + max(0, refs[Int(index)].count) }
        var target = UnsafeMutableRawPointer(buffer.reserve(total))
        let start = target
        var hasNull = false
        for index in selection {
            let row = Int(index)
            guard column.states[row] == CellState.valid else {
                target.storeBytes(of: -1, as: Int32.self)
                target += 4
                hasNull = true
                continue
            }
            let bytes = refs[row]
            target.storeBytes(of: Int32(bytes.count).bigEndian, as: Int32.self)
            target.advanced(by: 4).copyMemory(from: bytes.start, byteCount: bytes.count)
            target += 4 + bytes.count
        }
        buffer.commit(target - start)
        return hasNull
    }
}
