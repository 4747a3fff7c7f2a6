/// A LIKE pattern over short names, in any case; only `%` and `_` are special.
struct LikeText {
    private let pattern: [Character]

    init(_ pattern: String) { self.pattern = Array(pattern.uppercased()) }

    func matches(_ text: String) -> Bool { matches(Array(text.uppercased())[...], pattern[...]) }

    private func matches(_ text: ArraySlice<Character>, _ pattern: ArraySlice<Character>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == "%" {
            return matches(text, pattern.dropFirst()) || (!text.isEmpty && matches(text.dropFirst(), pattern))
        }
        guard let next = text.first, first == "_" || first == next else { return false }
        return matches(text.dropFirst(), pattern.dropFirst())
    }
}
