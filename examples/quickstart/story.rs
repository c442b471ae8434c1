//! The text that is spoken when none is given: a story for this example, of about 12,000 characters.

const PLACES: [&str; 5] =
    ["một bến đò", "cầu tre lắt lẻo", "cánh đồng lúa", "phiên chợ nổi", "bãi cát trắng"];
const FRIENDS: [&str; 4] = ["chú cò trắng", "bà cụ bán hoa", "cô bé chăn trâu", "ông lão đánh cá"];
const GIFTS: [&str; 3] = ["một bông hoa súng", "một hạt thóc vàng", "một câu hát ru"];

/// A paper boat on its way to the sea meets somebody at every bend.
pub(crate) fn story() -> String {
    let mut story = String::from(
        "Chiếc thuyền giấy\n\nNgày xửa ngày xưa, bên một dòng sông nhỏ, có cậu bé tên Minh. Cậu gấp một chiếc \
         thuyền giấy, viết lên đó một lời chúc bình an rồi thả xuống nước.\n",
    );
    for day in 0..29 {
        let (place, friend, gift) = (PLACES[day % 5], FRIENDS[day % 4], GIFTS[day % 3]);
        story += &format!(
            "\nNgày thứ {}, thuyền trôi đến {place}. Bên bờ, {friend} nhìn thấy chiếc thuyền nhỏ dập dềnh trên \
             sóng. “Thuyền ơi, thuyền đi đâu đấy?”, {friend} hỏi. “Tôi đi ra biển, mang theo lời chúc của một cậu \
             bé,” thuyền đáp. Nghe vậy, {friend} mỉm cười, đặt lên mũi thuyền {gift}, rồi khẽ đẩy thuyền ra giữa \
             dòng. Gió thổi nhẹ, nước lấp lánh ánh nắng, và chiếc thuyền lại đi tiếp.\n",
            day + 1
        );
    }
    story + "\nMột buổi sáng mùa hạ, thuyền ra đến biển. Và lời chúc của Minh theo sóng đi khắp mọi bờ.\n"
}
