import MillraceCore

/// The items of JSON_ARRAYAGG and JSON_OBJECTAGG: the text between the brackets of `[value]` and `{"key":value}`.
enum JSONItems {
    static let comma = UInt8(ascii: ",")

    /// The item in a text of one.
    static func item(of text: ByteRef) -> ByteRef { ByteRef(start: text.start + 1, count: text.count - 2) }

    /// Calls `body` with each item of an array or object.
    static func forEach(_ text: ByteRef, _ body: (ByteRef) -> Void) {
        guard text.count > 2 else { return }
        var start = 1
        var depth = 0
        var isInString = false
        var index = 1
        while index < text.count - 1 {
            let byte = text.start[index]
            if isInString {
                if byte == UInt8(ascii: "\\") {
                    index += 1
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
                case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
                case comma where depth == 0:
                    body(ByteRef(start: text.start + start, count: index - start))
                    start = index + 1
                default: break
                }
            }
            index += 1
        }
        body(ByteRef(start: text.start + start, count: text.count - 1 - start))
    }

    /// Negative when the key of `"a":…` comes before that of `"b":…`: in the order of bytes.
    static func compareKeys(_ a: ByteRef, _ b: ByteRef) -> Int { key(a).compare(key(b)) }

    private static func key(_ item: ByteRef) -> ByteRef {
        var index = 1
        while index < item.count, item.start[index] != UInt8(ascii: "\"") {
            index += item.start[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return ByteRef(start: item.start + 1, count: max(0, min(index, item.count) - 1))
    }

    /// The object with one more item, its keys in order; the item takes the place of one with the same key.
    static func insert(_ item: ByteRef, into object: ByteRef, _ target: ByteBuffer) {
        target.clear()
        target.append(UInt8(ascii: "{"))
        var isPlaced = false
        func put(_ item: ByteRef) {
            if target.count > 1 { target.append(comma) }
            target.append(item)
        }
        forEach(object) { known in
            let order = compareKeys(known, item)
            if order >= 0, !isPlaced {
                put(item)
                isPlaced = true
            }
            if order != 0 { put(known) }
        }
        if !isPlaced { put(item) }
        target.append(UInt8(ascii: "}"))
    }
}
