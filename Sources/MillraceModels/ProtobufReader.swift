import MillraceCore

/// A strict walk over the fields of one protobuf message (protobuf.dev, "Encoding").
///
/// Every length is checked against the message around it, so damaged bytes end in a fault, never outside of the file.
/// Groups, which no format read here uses, are refused.
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        /// Bytes of a string, of packed numbers or of a message, as a range of the file.
        case bytes(Range<Int>)
    }

    let file: [UInt8]
    private var at: Int
    private let end: Int

    init(_ file: [UInt8]) { self.init(file, 0..<file.count) }

    private init(_ file: [UInt8], _ range: Range<Int>) {
        self.file = file
        at = range.lowerBound
        end = range.upperBound
    }

    /// The next field, nil at the end of the message.
    mutating func next() throws(ModelFileFault) -> (field: Int, value: Value)? {
        guard at < end else { return nil }
        let key = try varint()
        let field = key >> 3
        guard field >= 1, field <= 536_870_911 else { throw .damaged("a field has the number \(field)") }
        switch key & 7 {
        case 0: return (Int(field), .varint(try varint()))
        case 1: return (Int(field), .fixed64(try fixed(8)))
        case 2:
            let count = try varint()
            guard count <= UInt64(end - at) else { throw .damaged("field \(field) is longer than its message") }
            let range = at..<at + Int(count)
            at = range.upperBound
            return (Int(field), .bytes(range))
        case 5: return (Int(field), .fixed32(UInt32(try fixed(4))))
        default: throw .damaged("field \(field) has the wire type \(key & 7)")
        }
    }

    /// A reader over a field that is a message.
    func message(_ value: Value) throws(ModelFileFault) -> ProtobufReader {
        guard case .bytes(let range) = value else { throw .damaged("a message is stored as a number") }
        return ProtobufReader(file, range)
    }

    func text(_ value: Value) throws(ModelFileFault) -> String {
        guard case .bytes(let range) = value else { throw .damaged("a text is stored as a number") }
        guard let text = String(validating: file[range], as: UTF8.self) else {
            throw .damaged("a text is not UTF-8")
        }
        return text
    }

    func integer(_ value: Value) throws(ModelFileFault) -> Int64 {
        guard case .varint(let bits) = value else { throw .damaged("a number is stored as a text") }
        return Int64(bitPattern: bits)
    }

    private mutating func varint() throws(ModelFileFault) -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while at < end {
            let byte = file[at]
            at += 1
            // Ten bytes hold 70 bits; of the tenth only the lowest counts.
            guard shift < 63 || byte <= 1 else { throw .damaged("a number has more than 64 bits") }
            result |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return result }
            shift += 7
        }
        throw .damaged("it ends early")
    }

    private mutating func fixed(_ count: Int) throws(ModelFileFault) -> UInt64 {
        guard end - at >= count else { throw .damaged("it ends early") }
        defer { at += count }
        return (0..<count).reduce(0) { $0 | UInt64(file[at + $1]) << UInt64(8 * $1) }
    }
}
