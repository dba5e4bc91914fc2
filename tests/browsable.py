"""URLs of a site with views of its own by REST framework, beside the API."""

from django.urls import include, path
from rest_framework.decorators import api_view
from rest_framework.response import Response


@api_view(["GET"])
def orders(request):
    return Response([])


urlpatterns = [
    path("v2/", include("django_verify.api.urls")),
    path("mobile/", include("django_verify.mobile.urls")),
    path("verify/", include("django_verify.urls")),
    path("shop/", include(([path("orders", orders)], "shop"))),
]
