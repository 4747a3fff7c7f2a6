import MillraceCore

/// How one column of a `datagen` table is made; a pure function of the row number.
struct DatagenField {
    private static let digits: StaticString = "0123456789abcdef"
    private let type: DataType
    private let isSequence: Bool
    private let minimum: Double
    private let maximum: Double
    private let start: Int64
    private let end: Int64?
    private let maxPast: Int64
    private let length: Int
    private let varies: Bool
    private let nullRate: Double
    private let seed: UInt64
    private let children: [DatagenField]

    /// Rows until the sequence ends; nil for random fields.
    var count: Int64? { isSequence ? end.map { max(0, $0 - start + 1) } : nil }

    init(_ name: String, _ type: DataType, _ options: [String: String]) throws(Diagnostic) {
        func text(_ key: String) -> String? { options["fields.\(name).\(key)"] }
        func number(_ key: String) throws(Diagnostic) -> Double? {
            guard let text = text(key) else { return nil }
            guard let value = Double(text) else {
                throw Diagnostic("option \"fields.\(name).\(key)\" is not a number", hint: "Write a number.")
            }
            return value
        }
        self.type = type
        let kind = text("kind") ?? "random"
        guard kind == "random" || kind == "sequence" else {
            throw Diagnostic("option \"fields.\(name).kind\" has an unknown value", hint: "Choose random or sequence.")
        }
        isSequence = kind == "sequence"
        let sequenceStart = try FilesConnectors.integer(options, "fields.\(name).start")
        let sequenceEnd = try FilesConnectors.integer(options, "fields.\(name).end")
        if isSequence, sequenceStart == nil || sequenceEnd == nil {
            throw Diagnostic(
                "sequence column \"\(name)\" has no start or no end",
                hint: "Set 'fields.\(name).start' and 'fields.\(name).end'.")
        }
        start = sequenceStart ?? 0
        end = sequenceEnd
        let bounds: (Double, Double) =
            switch type {
            case .tinyInt: (-128, 127)
            case .smallInt: (-32768, 32767)
            case .integer: (-2_147_483_648, 2_147_483_647)
            case .bigInt: (-9.2e18, 9.2e18)
            case .decimal(let precision, let scale):
                (0, Double(DecimalMath.power10(min(precision, 18)) - 1) / Double(DecimalMath.power10(scale)))
            default: (0, 1)
            }
        minimum = try number("min") ?? bounds.0
        maximum = try number("max") ?? max(bounds.1, minimum)
        if minimum > maximum {
            throw Diagnostic("column \"\(name)\" has a minimum above its maximum", hint: "Check 'fields.\(name).min'.")
        }
        if let past = text("max-past") {
            guard let value = OptionValue.microseconds(past) else {
                throw Diagnostic(
                    "option \"fields.\(name).max-past\" is not a duration", hint: "Write '10 s' or the like.")
            }
            maxPast = value
        } else {
            maxPast = 0
        }
        var usual = 100
        switch type {
        case .char(let n), .binary(let n): usual = n
        case .array, .map, .multiset: usual = 3
        default: break
        }
        length = max(0, Int(try FilesConnectors.integer(options, "fields.\(name).length") ?? Int64(usual)))
        varies = text("var-len").flatMap(OptionValue.boolean) ?? false
        nullRate = try number("null-rate") ?? 0
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        seed = hash
        var made: [DatagenField] = []
        if case .row(let fields) = type {
            for field in fields { made.append(try DatagenField("\(name).\(field.name)", field.type, options)) }
        } else {
            for (index, child) in type.childTypes.enumerated() {
                let part = type.childTypes.count == 1 ? "element" : (index == 0 ? "key" : "value")
                made.append(try DatagenField("\(name).\(part)", child, options))
            }
        }
        children = made
    }

    /// SplitMix64 of the row, the column and a counter.
    private func random(_ row: Int64, _ salt: UInt64) -> UInt64 {
        var z = seed &+ UInt64(bitPattern: row) &* 0x9E37_79B9_7F4A_7C15 &+ salt &* 0xD1B5_4A32_D192_ED03
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// In [0, 1).
    private func unit(_ row: Int64, _ salt: UInt64) -> Double { Double(random(row, salt) >> 11) * 0x1p-53 }

    func append(_ row: Int64, now: Int64, to column: Column, arena: BatchArena) {
        if nullRate > 0, unit(row, 1) < nullRate { return column.appendNull() }
        let number = isSequence ? Double(start + row) : minimum + unit(row, 2) * (maximum - minimum)
        switch type {
        case .boolean: column.append(int: Int64(random(row, 2) & 1))
        case .tinyInt, .smallInt, .integer, .bigInt:
            column.append(int: isSequence ? start + row : Int64(min(number.rounded(), maximum.rounded(.down))))
        case .float: column.append(double: Double(Float(number)))
        case .double: column.append(double: number)
        case .decimal(let precision, let scale):
            let value =
                isSequence
                ? Int128(start + row) * DecimalMath.power10(scale)
                : Int128((number * Double(DecimalMath.power10(scale))).rounded())
            if DecimalMath.fits(value, precision: precision) {
                column.append(decimal: value)
            } else {
                column.appendNull()
            }
        case .char, .varchar:
            if isSequence {
                column.append(bytes: arena.copy(String(start + row)))
            } else {
                // Flink's strings are hexadecimal digits.
                column.append(bytes: bytes(row, arena) { DatagenField.digits.utf8Start[Int($0 & 15)] })
            }
        case .binary, .varbinary: column.append(bytes: bytes(row, arena) { $0 })
        case .date: column.append(int: CivilTime.split(past(row, now)).days)
        case .time: column.append(int: CivilTime.split(past(row, now)).time)
        case .timestamp, .timestampLTZ: column.append(int: past(row, now))
        case .row:
            column.appendRow()
            for (field, child) in zip(children, column.children) {
                field.append(row, now: now, to: child, arena: arena)
            }
        case .array, .map, .multiset:
            let first = Int32(column.children[0].count)
            for element in 0..<length {
                for (field, child) in zip(children, column.children) {
                    field.append(row &* 1_000_003 &+ Int64(element), now: now, to: child, arena: arena)
                }
            }
            column.append(list: ListRef(start: first, count: Int32(length)))
        default: column.appendNull()
        }
    }

    private func past(_ row: Int64, _ now: Int64) -> Int64 {
        maxPast > 0 ? now - Int64(unit(row, 2) * Double(maxPast)) : now
    }

    private func bytes(_ row: Int64, _ arena: BatchArena, _ digit: (UInt8) -> UInt8) -> ByteRef {
        let count = varies && length > 1 ? 1 + Int(random(row, 3) % UInt64(length)) : length
        let target = arena.allocate(count)
        var bits: UInt64 = 0
        for i in 0..<count {
            if i & 7 == 0 { bits = random(row, 4 + UInt64(i >> 3)) }
            target[i] = digit(UInt8(truncatingIfNeeded: bits))
            bits >>= 8
        }
        return ByteRef(start: target, count: count)
    }
}
