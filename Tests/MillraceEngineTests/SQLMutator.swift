import MillraceTestSupport

/// Breaks SQL texts in the ways typing, cutting and pasting do, and in ways nobody would.
struct SQLMutator {
    var generator: SeededGenerator
    /// Pieces of other texts are pasted in.
    let corpus: [String]

    private static let pieces: [String] = [
        "(", ")", "((", "))", ",", ";", "'", "\"", "`", "/*", "*/", "/*+", "--", "\n", "\u{301}", "\u{0}", "\u{feff}",
        "é", "=>",
        "SELECT ", " FROM ", " WHERE ", " GROUP BY ", "INSERT INTO ", "CREATE TABLE ", "CREATE VIEW v AS ", " NOT ",
        " NULL ",
        " AS ", " OVER ", " JOIN ", " ON ", "INTERVAL '1' ", "CAST(", "CASE WHEN ", " END ", "ROW<", "ARRAY<", "[1]",
        ".a",
        "TABLE(", "DESCRIPTOR(", "99999999999999999999999999999999999999999", "-1", "0", "1e400", "''", "X'0'",
        "U&'\\0'",
        "@p", "${x}", " UNION ALL ", " LATERAL ", " UNNEST(", "COUNT(*)", "*", "t.*", " BETWEEN 1 AND ",
    ]

    private mutating func random(_ bound: Int) -> Int { bound > 0 ? Int.random(in: 0..<bound, using: &generator) : 0 }

    mutating func mutated(_ text: String) -> String {
        var text = text
        for _ in 0...random(4) { text = Int.random(in: 0..<3, using: &generator) == 0 ? bytes(text) : words(text) }
        return text
    }

    /// Any byte anywhere: what is no UTF-8 becomes U+FFFD, as a file's text does.
    private mutating func bytes(_ text: String) -> String {
        var bytes = Array(text.utf8)
        for _ in 0...random(3) {
            let place = random(bytes.count + 1)
            switch random(4) {
            case 0: bytes.insert(UInt8(random(256)), at: place)
            case 1 where place < bytes.count: bytes[place] = UInt8(random(256))
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + random(20)))
            default: bytes.insert(contentsOf: Array(Self.pieces[random(Self.pieces.count)].utf8), at: place)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Words left out, doubled, swapped, replaced by those of another text.
    private mutating func words(_ text: String) -> String {
        var words = Self.words(text)
        guard words.count > 1 else { return bytes(text) }
        let a = random(words.count)
        let b = random(words.count)
        switch random(6) {
        case 0: words.remove(at: a)
        case 1: words.swapAt(a, b)
        case 2: words.insert(words[b], at: a)
        case 3: words[a] = Self.pieces[random(Self.pieces.count)]
        case 4:
            let other = Self.words(corpus[random(corpus.count)])
            let start = random(other.count)
            words.insert(contentsOf: other[start..<min(other.count, start + random(12))], at: a)
        default: words.insert(contentsOf: words[min(a, b)..<min(max(a, b), min(a, b) + 30)], at: b)
        }
        return words.joined()
    }

    /// Runs of letters and digits, and single other characters.
    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        var isInWord = false
        for scalar in text.unicodeScalars {
            let isPart = scalar == "_" || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            if isPart, isInWord {
                words[words.count - 1].unicodeScalars.append(scalar)
            } else {
                words.append(String(scalar))
            }
            isInWord = isPart
        }
        return words
    }
}
