import MillraceCore

/// Lines and columns of byte offsets that are asked in ascending order, linear over the whole text.
struct PositionCursor {
    private let bytes: [UInt8]
    private var line = 1
    private var lineStart = 0
    private var lineEnd = 0
    /// Offsets at which the characters of a line start; empty for an ASCII line, whose columns are its bytes.
    private var starts: [Int] = []
    private var startIndex = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        scanLine()
    }

    mutating func position(at offset: Int) -> TextPosition {
        while offset > lineEnd {
            line += 1
            lineStart = lineEnd + 1
            scanLine()
        }
        var column = offset - lineStart + 1
        if !starts.isEmpty {
            while startIndex < starts.count, starts[startIndex] <= offset { startIndex += 1 }
            // An offset inside a character counts as its start.
            column = startIndex == starts.count && offset >= lineEnd ? starts.count + 1 : startIndex
        }
        return TextPosition(offset: offset, line: line, column: max(1, column))
    }

    private mutating func scanLine() {
        var end = lineStart
        var isASCII = true
        while end < bytes.count, bytes[end] != 0x0A {
            if bytes[end] >= 0x80 { isASCII = false }
            end += 1
        }
        lineEnd = end
        starts.removeAll(keepingCapacity: true)
        startIndex = 0
        if isASCII { return }
        var offset = lineStart
        for character in String(decoding: bytes[lineStart..<lineEnd], as: UTF8.self) {
            starts.append(offset)
            offset += character.utf8.count
        }
    }
}
