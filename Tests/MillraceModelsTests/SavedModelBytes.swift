import Foundation

@testable import MillraceModels

/// Writes `saved_model.pb` files of any signature.
enum SavedModelBytes {
    static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    static func number(_ field: Int, _ value: Int64) -> [UInt8] {
        varint(UInt64(field) << 3) + varint(UInt64(bitPattern: value))
    }

    static func message(_ field: Int, _ content: [UInt8]) -> [UInt8] {
        varint(UInt64(field) << 3 | 2) + varint(UInt64(content.count)) + content
    }

    static func tensor(_ field: Int, _ key: String, _ name: String, _ dtype: Int64, _ shape: [Int64]?) -> [UInt8] {
        let sizes = shape.map { $0.flatMap { message(2, number(1, $0)) } } ?? number(3, 1)
        let info = message(1, Array(name.utf8)) + number(2, dtype) + message(3, sizes)
        return message(field, message(1, Array(key.utf8)) + message(2, info))
    }

    static func file(tags: [String] = ["serve"], signatures: [(String, [UInt8])]) -> [UInt8] {
        let info = message(1, tags.flatMap { message(4, Array($0.utf8)) })
        let entries = signatures.flatMap { message(5, message(1, Array($0.0.utf8)) + message(2, $0.1)) }
        // A graph of bytes that are no message must not be looked into.
        return number(1, 1) + message(2, info + message(2, [0xFF, 0xFF, 0xFF]) + entries)
    }

    /// A folder with one graph, removed by the caller.
    static func folder(_ name: String, _ file: [UInt8]) throws -> String {
        let path = NSTemporaryDirectory() + "millrace-\(UUID().uuidString)-\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: path + "/saved_model.pb", contents: Data(file))
        return path
    }
}
