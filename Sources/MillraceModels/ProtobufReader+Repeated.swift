/// Repeated numbers, packed (proto3) or one field each (proto2, older writers).
extension ProtobufReader {
    func append(floats value: Value, to list: inout [Float]) throws(ModelFileFault) {
        switch value {
        case .fixed32(let bits): list.append(Float(bitPattern: bits))
        case .bytes(let range):
            guard range.count % 4 == 0 else { throw .damaged("a list of numbers ends early") }
            list.reserveCapacity(list.count + range.count / 4)
            file.withUnsafeBytes { bytes in
                for at in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
                    let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                    list.append(Float(bitPattern: bits))
                }
            }
        default: throw .damaged("a list of numbers has another type")
        }
    }

    func append(doubles value: Value, to list: inout [Double]) throws(ModelFileFault) {
        switch value {
        case .fixed64(let bits): list.append(Double(bitPattern: bits))
        case .bytes(let range):
            guard range.count % 8 == 0 else { throw .damaged("a list of numbers ends early") }
            list.reserveCapacity(list.count + range.count / 8)
            file.withUnsafeBytes { bytes in
                for at in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
                    let bits = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                    list.append(Double(bitPattern: bits))
                }
            }
        default: throw .damaged("a list of numbers has another type")
        }
    }

    func append(integers value: Value, to list: inout [Int64]) throws(ModelFileFault) {
        switch value {
        case .varint(let bits): list.append(Int64(bitPattern: bits))
        case .bytes(let range):
            list.reserveCapacity(list.count + range.count)
            var at = range.lowerBound
            while at < range.upperBound {
                var bits: UInt64 = 0
                var shift: UInt64 = 0
                while true {
                    guard at < range.upperBound, shift < 64 else { throw .damaged("a list of numbers ends early") }
                    let byte = file[at]
                    at += 1
                    bits |= UInt64(byte & 0x7F) << shift
                    if byte < 0x80 { break }
                    shift += 7
                }
                list.append(Int64(bitPattern: bits))
            }
        default: throw .damaged("a list of numbers has another type")
        }
    }
}
