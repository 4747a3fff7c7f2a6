import MillraceCore

extension ExpressionCompiler {
    /// The functions of BITMAP, a set of unsigned 32-bit numbers; in a cell its members in order, four bytes each.
    mutating func bitmap(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        func combined(_ pick: @escaping (_ isLeft: Bool, _ isRight: Bool) -> Bool) -> ([Value]) -> Value {
            { values in
                let (a, b) = (Bitmap(cell: values[0].octets), Bitmap(cell: values[1].octets))
                return .bytes(a.combined(with: b, pick).cell)
            }
        }
        switch function {
        case .bitmapBuild:
            return rows(arguments, type) { values in
                let members = values[0].elements.compactMap { value -> UInt32? in
                    if case .integer(let number) = value { UInt32(truncatingIfNeeded: number) } else { nil }
                }
                return .bytes(Bitmap(members).cell)
            }
        case .bitmapFromBytes:
            return rows(arguments, type) { values in
                Bitmap(serialized: values[0].octets).map { .bytes($0.cell) } ?? .error(.invalidArgument)
            }
        case .bitmapAnd: return rows(arguments, type, combined { $0 && $1 })
        case .bitmapOr: return rows(arguments, type, combined { $0 || $1 })
        case .bitmapXor: return rows(arguments, type, combined { $0 != $1 })
        case .bitmapAndNot: return rows(arguments, type, combined { $0 && !$1 })
        case .bitmapCardinality:
            return rows(arguments, type) { .integer(Int64(Bitmap(cell: $0[0].octets).members.count)) }
        case .bitmapToArray:
            return rows(arguments, type) { values in
                .array(Bitmap(cell: values[0].octets).members.map { .integer(Int64(Int32(bitPattern: $0))) })
            }
        case .bitmapToString:
            return rows(arguments, type) { values in
                .string("{" + Bitmap(cell: values[0].octets).members.map(String.init).joined(separator: ",") + "}")
            }
        case .bitmapToBytes: return rows(arguments, type) { .bytes(Bitmap(cell: $0[0].octets).serialized) }
        default: return nil
        }
    }
}

/// A set of numbers, and the portable format of Roaring bitmaps for it (RoaringFormatSpec).
struct Bitmap {
    /// Ascending, each once.
    private(set) var members: [UInt32]

    init(_ numbers: [UInt32]) {
        members = []
        for number in numbers.sorted() where number != members.last { members.append(number) }
    }

    init(cell: [UInt8]) {
        members = stride(from: 0, to: cell.count - 3, by: 4).map { at in
            (0..<4).reduce(0) { $0 | UInt32(cell[at + $1]) << UInt32(8 * $1) }
        }
    }

    var cell: [UInt8] {
        var bytes: [UInt8] = []
        for member in members { Bitmap.append(member, 4, to: &bytes) }
        return bytes
    }

    func combined(with other: Bitmap, _ pick: (Bool, Bool) -> Bool) -> Bitmap {
        var result: [UInt32] = []
        var (i, j) = (0, 0)
        while i < members.count || j < other.members.count {
            let isLeft = j == other.members.count || i < members.count && members[i] <= other.members[j]
            let isRight = i == members.count || j < other.members.count && other.members[j] <= members[i]
            if pick(isLeft, isRight) { result.append(isLeft ? members[i] : other.members[j]) }
            if isLeft { i += 1 }
            if isRight { j += 1 }
        }
        return Bitmap(result)
    }

    // MARK: Serialization

    private static let cookieWithoutRuns: UInt32 = 12_346
    private static let cookieWithRuns: UInt32 = 12_347

    private static func append(_ value: UInt32, _ count: Int, to bytes: inout [UInt8]) {
        for i in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(8 * i))) }
    }

    /// Members with the same upper half, as their lower halves.
    private struct Container {
        var key: UInt32
        var values: [UInt32]

        /// Starts and lengths less one.
        var runs: [(start: UInt32, length: UInt32)] {
            var runs: [(start: UInt32, length: UInt32)] = []
            for value in values {
                if let last = runs.last, last.start + last.length + 1 == value {
                    runs[runs.count - 1].length += 1
                } else {
                    runs.append((value, 0))
                }
            }
            return runs
        }

        var plainSize: Int { values.count > 4096 ? 8192 : 2 * values.count }
    }

    private var containers: [Container] {
        var result: [Container] = []
        for member in members {
            if result.last?.key != member >> 16 { result.append(Container(key: member >> 16, values: [])) }
            result[result.count - 1].values.append(member & 0xFFFF)
        }
        return result
    }

    /// Runs where they are shorter, as after `runOptimize`.
    var serialized: [UInt8] {
        let containers = containers
        let bodies = containers.map { container -> (isRun: Bool, bytes: [UInt8]) in
            var bytes: [UInt8] = []
            let runs = container.runs
            if container.plainSize > 2 + 4 * runs.count {
                Bitmap.append(UInt32(runs.count), 2, to: &bytes)
                for run in runs {
                    Bitmap.append(run.start, 2, to: &bytes)
                    Bitmap.append(run.length, 2, to: &bytes)
                }
                return (true, bytes)
            }
            if container.values.count > 4096 {
                bytes = Array(repeating: 0, count: 8192)
                for value in container.values { bytes[Int(value / 8)] |= 1 << UInt8(value % 8) }
            } else {
                for value in container.values { Bitmap.append(value, 2, to: &bytes) }
            }
            return (false, bytes)
        }
        var out: [UInt8] = []
        let hasRuns = bodies.contains(where: \.isRun)
        if hasRuns {
            Bitmap.append(Bitmap.cookieWithRuns | UInt32(containers.count - 1) << 16, 4, to: &out)
            var flags = [UInt8](repeating: 0, count: (containers.count + 7) / 8)
            for (i, body) in bodies.enumerated() where body.isRun { flags[i / 8] |= 1 << UInt8(i % 8) }
            out += flags
        } else {
            Bitmap.append(Bitmap.cookieWithoutRuns, 4, to: &out)
            Bitmap.append(UInt32(containers.count), 4, to: &out)
        }
        for container in containers {
            Bitmap.append(container.key, 2, to: &out)
            Bitmap.append(UInt32(container.values.count - 1), 2, to: &out)
        }
        if !hasRuns || containers.count >= 4 {
            var offset = UInt32(out.count + 4 * containers.count)
            for body in bodies {
                Bitmap.append(offset, 4, to: &out)
                offset += UInt32(body.bytes.count)
            }
        }
        for body in bodies { out += body.bytes }
        return out
    }

    /// Nil for bytes that are no bitmap.
    init?(serialized bytes: [UInt8]) {
        var at = 0
        func read(_ count: Int) -> UInt32? {
            guard at + count <= bytes.count else { return nil }
            defer { at += count }
            return (0..<count).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
        }
        guard let cookie = read(4) else { return nil }
        let hasRuns = cookie & 0xFFFF == Bitmap.cookieWithRuns
        guard hasRuns || cookie == Bitmap.cookieWithoutRuns else { return nil }
        guard let count = hasRuns ? cookie >> 16 + 1 : read(4), count <= 65_536 else { return nil }
        var flags: [UInt8] = []
        if hasRuns {
            for _ in 0..<(count + 7) / 8 {
                guard let flag = read(1) else { return nil }
                flags.append(UInt8(flag))
            }
        }
        var heads: [(key: UInt32, count: Int)] = []
        for _ in 0..<count {
            guard let key = read(2), let size = read(2) else { return nil }
            heads.append((key, Int(size) + 1))
        }
        if !hasRuns || count >= 4 { at += 4 * Int(count) }
        var found: [UInt32] = []
        for (i, head) in heads.enumerated() {
            let base = head.key << 16
            if hasRuns, flags[i / 8] >> UInt8(i % 8) & 1 == 1 {
                guard let runs = read(2) else { return nil }
                for _ in 0..<runs {
                    guard let start = read(2), let length = read(2), start + length <= 0xFFFF else { return nil }
                    for value in start...start + length { found.append(base | value) }
                }
            } else if head.count > 4096 {
                guard at + 8192 <= bytes.count else { return nil }
                for value in 0..<65_536 where bytes[at + value / 8] >> UInt8(value % 8) & 1 == 1 {
                    found.append(base | UInt32(value))
                }
                at += 8192
            } else {
                for _ in 0..<head.count {
                    guard let value = read(2) else { return nil }
                    found.append(base | value)
                }
            }
        }
        self.init(found)
    }
}
