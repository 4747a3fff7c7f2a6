/// What happens on the auction site. Times are milliseconds since 1970-01-01 UTC; prices are cents.
public enum NexmarkEvent: Sendable {
    case person(Person)
    case auction(Auction)
    case bid(Bid)

    public struct Person: Sendable {
        public var id: Int64
        public var name: String
        public var emailAddress: String
        public var creditCard: String
        public var city: String
        public var state: String
        public var dateTime: Int64
        public var extra: String
    }

    public struct Auction: Sendable {
        public var id: Int64
        public var itemName: String
        public var description: String
        public var initialBid: Int64
        public var reserve: Int64
        public var dateTime: Int64
        public var expires: Int64
        public var seller: Int64
        public var category: Int64
        public var extra: String
    }

    public struct Bid: Sendable {
        public var auction: Int64
        public var bidder: Int64
        public var price: Int64
        public var channel: String
        public var url: String
        public var dateTime: Int64
        public var extra: String
    }

    public var dateTime: Int64 {
        switch self {
        case .person(let person): person.dateTime
        case .auction(let auction): auction.dateTime
        case .bid(let bid): bid.dateTime
        }
    }

    /// One line of the topic: `event_type` 0, 1 or 2, and the row of that name.
    public var json: String {
        switch self {
        case .person(let p):
            return #"{"event_type":0,"person":{"id":\#(p.id),"name":"\#(p.name)","emailAddress":"\#(p.emailAddress)","#
                + #""creditCard":"\#(p.creditCard)","city":"\#(p.city)","state":"\#(p.state)","#
                + #""dateTime":"\#(NexmarkTime.text(p.dateTime))","extra":"\#(p.extra)"}}"#
        case .auction(let a):
            return
                #"{"event_type":1,"auction":{"id":\#(a.id),"itemName":"\#(a.itemName)","description":"\#(a.description)","#
                + #""initialBid":\#(a.initialBid),"reserve":\#(a.reserve),"dateTime":"\#(NexmarkTime.text(a.dateTime))","#
                + #""expires":"\#(NexmarkTime.text(a.expires))","seller":\#(a.seller),"category":\#(a.category),"#
                + #""extra":"\#(a.extra)"}}"#
        case .bid(let b):
            return #"{"event_type":2,"bid":{"auction":\#(b.auction),"bidder":\#(b.bidder),"price":\#(b.price),"#
                + #""channel":"\#(b.channel)","url":"\#(b.url)","dateTime":"\#(NexmarkTime.text(b.dateTime))","#
                + #""extra":"\#(b.extra)"}}"#
        }
    }
}
